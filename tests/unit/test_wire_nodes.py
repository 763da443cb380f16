"""A node and each wire: parts come together as they were rounded, outputs go out as was asked."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from farms import farm_document
from hypothesis import given
from hypothesis import strategies as st

from harness.farm.config import FarmConfig
from harness.node.intake import Intake
from harness.node.node import Node
from harness.node.outlet import Outlet
from harness.node.serve import seats_of
from harness.partition.codec import UnfitError, encode, travelled
from harness.partition.join import Offer
from harness.partition.paper import partition
from harness.partition.partition import INITIAL
from harness.partition.wire import Wire
from harness.plan.plan import make_plan
from harness.plan.table import Share
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity

CUT = partition("alexnet-5")
HALVES = [np.random.default_rng(part).standard_normal(2048, np.float32) for part in (0, 1)]
wires = st.sampled_from(Wire)


def half(part: int, wire: Wire, frame: int = 3) -> tuple[Identity, memoryview]:
    """A half of what block3 takes."""
    return Identity("r", frame, "fc1", part, 2, "m", wire=wire), encode(HALVES[part], wire)


@given(wires, st.permutations([0, 1]))
def test_halves_come_together_as_they_were_rounded(wire, order):
    """In any order, each half with a scale of its own, joined in part order; float32 to the last bit."""
    intake = Intake(CUT, "block3")
    for number, part in enumerate(order):
        identity, payload = half(part, wire)
        intake.check(identity, payload)
        offer, inputs = intake.offer(identity, payload, 0.0)
        assert offer is (Offer.COMPLETE if number else Offer.KEPT)
    (joined,) = inputs
    assert joined.dtype == np.float32
    assert np.array_equal(joined, np.concatenate([travelled(one, wire) for one in HALVES]))
    if wire is not Wire.F32:
        assert not np.array_equal(joined, np.concatenate(HALVES)), "control: it was rounded"


@given(wires, wires)
def test_halves_of_two_wires_never_meet(one, other):
    """A frame that was rounded in two ways is none that anybody sent: its halves wait, and are no frame."""
    intake = Intake(CUT, "block3")
    intake.offer(*half(0, one), 0.0)
    offer, _ = intake.offer(*half(1, other), 0.0)
    assert (offer is Offer.COMPLETE) == (one is other)
    assert intake.waiting == (0 if one is other else 2)


@given(wires, wires)
def test_a_payload_of_another_wire_is_refused(said, sent):
    """The length must be that of the encoding that the tag names; the words are the same for each."""
    intake = Intake(CUT, "block3")
    (identity, _), (_, payload) = half(0, said), half(0, sent)
    if said is sent:
        intake.check(identity, payload)
        return
    with pytest.raises(RemoteError) as caught:
        intake.check(identity, payload)
    assert caught.value.text == f"expects {CUT.message_bytes('fc1', said)} bytes of fc1, not {len(payload)} bytes"


@pytest.mark.parametrize("wire", Wire)
def test_frames_are_never_encoded(wire):
    """An image passes as its own bytes whatever its tag asks for, and is not copied."""
    intake = Intake(CUT, "block1")
    image = np.random.default_rng(1).integers(0, 255, (224, 224, 3), np.uint8)
    identity = Identity("r", 0, "frame", 0, 1, "m", wire=wire)
    intake.check(identity, image.tobytes())
    _, (taken,) = intake.offer(identity, image.data.cast("B"), 0.0)
    assert np.shares_memory(taken, image)
    assert np.array_equal(taken, image)


@pytest.mark.parametrize("wire", Wire)
def test_outputs_go_out_as_the_frame_asks(wire):
    """Between roles they are encoded and their tags say so; a result goes out as float32 whatever was asked."""
    outlet = Outlet(CUT, "m")
    features = np.abs(np.random.default_rng(2).standard_normal(6272, np.float32))
    frame = Identity("r", 5, "frame", 0, 1, "m", wire=wire)
    ((role, payload, tag),) = outlet.messages(frame, Share("block1", 0), (features,))
    assert (role, bytes(payload)) == ("block2", bytes(encode(features, wire)))
    assert Identity.parse(tag) == Identity("r", 5, "flatten", 0, 1, "m", wire=wire)
    assert ("wire=" in tag) == (wire is not Wire.F32)
    result = np.random.default_rng(3).random(1000, np.float32)
    ((role, payload, _),) = outlet.messages(frame, Share("block3", 0), (result,))
    assert (role, bytes(payload)) == (INITIAL, result.tobytes())


def test_what_a_wire_cannot_carry_names_its_layer():
    """An output beyond fp16 is an error with its layer and value; uint8 carries it."""
    outlet = Outlet(CUT, "m")
    features = np.full(6272, 1e6, np.float32)
    frame = Identity("r", 0, "frame", 0, 1, "m", wire=Wire.FP16)
    with pytest.raises(UnfitError, match=r"^flatten cannot travel as fp16: it holds 1e\+06, fp16 ends at 65504$"):
        list(outlet.messages(frame, Share("block1", 0), (features,)))
    assert list(outlet.messages(replace(frame, wire=Wire.UINT8), Share("block1", 0), (features,)))


class Large:
    """A block whose outputs no half can hold."""

    fingerprint = "large"

    def __call__(self, *inputs):
        """1e6 for every frame."""
        del inputs
        return (np.full(6272, 1e6, np.float32),)


def test_a_node_tells_of_it_and_goes_on(tmp_path):
    """A node says in its statistics which layer could not travel, and computes the next frame."""
    file = tmp_path / "farm.json"
    file.write_text(json.dumps(farm_document("alexnet-5")))
    plan = make_plan(CUT, FarmConfig.load(file))
    placement = plan.placements[0]

    async def told() -> dict:
        blocks = {Share("block1", 0): Large()}
        node = Node(plan, placement, seats_of(plan, placement, blocks, blocks.__getitem__), {"model_fingerprint": "m"},
                    lambda: None)  # fmt: skip
        node.begin("r")
        try:
            for frame in (0, 1):
                tag = str(Identity("r", frame, "frame", 0, 1, "m", wire=Wire.FP16))
                node.forward(bytes(150_528), "block1", tag)
            for _ in range(2000):
                if len(node.statistics("r")["errors"]) == 2:
                    break
                await asyncio.sleep(0.01)
            return node.statistics("r")
        finally:
            await node.close()

    counted = asyncio.run(told())
    assert counted["computed"] == 2
    assert counted["sent"] == 0
    assert [error.partition(" could not send ")[2] for error in counted["errors"]] == [
        f"frame {frame}: flatten cannot travel as fp16: it holds 1e+06, fp16 ends at 65504" for frame in (0, 1)
    ]
