"""Messages between split roles: addressed to the part that reads them, joined for it alone, refused by others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.farm.config import Address
from harness.models.catalogue import model
from harness.models.split import Split
from harness.node.intake import Intake
from harness.node.outlet import Outlet
from harness.node.seats import Seats
from harness.partition.join import Offer
from harness.partition.partition import Partition, Role
from harness.partition.wire import Wire
from harness.plan.table import Share, Table, shares_of, takers
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity, Route


def alexnet_cut() -> Partition:
    """AlexNet: conv2 in three parts by rows, conv3 in two by input channels."""
    graph = model("alexnet")
    names = tuple(layer.name for layer in graph.layers)
    return Partition(
        "cut",
        graph,
        (
            Role("front", names[:3]),
            Role("conv2", ("conv2", "pool2"), parts=3, split=Split.ROWS),
            Role("conv3", ("conv3",), parts=2, split=Split.INPUT_CHANNELS),
            Role("back", names[6:]),
        ),
    )


CUT = alexnet_cut()
POOL2 = np.random.default_rng(1).standard_normal((14, 14, 128), np.float32)
FRAME_3 = Identity("r", 3, "frame", 0, 1, "m")


def sent(part: int, wire: Wire = Wire.F32, frame: int = 3) -> list[tuple[Share, bytes, Identity]]:
    """What a part of conv2 sends of pool2, whose rows it makes."""
    rows = CUT.block("conv2", part).box("pool2")[0]
    about = Identity("r", frame, "frame", 0, 1, "m", wire=wire)
    found = Outlet(CUT, "m").messages(about, Share("conv2", part), (POOL2[rows],))
    return [(target, bytes(payload), Identity.parse(tag)) for target, payload, tag in found]


def test_outputs_go_in_pieces_to_each_reader() -> None:
    """A part by rows sends each part by channels its channels of these rows, and says for whom they are."""
    for part in range(3):
        messages = sent(part)
        assert [target for target, _, _ in messages] == [Share("conv3", 0), Share("conv3", 1)]
        rows = CUT.block("conv2", part).box("pool2")[0]
        for to, (_, payload, identity) in enumerate(messages):
            assert payload == np.ascontiguousarray(POOL2[rows, :, 64 * to : 64 * (to + 1)]).tobytes()
            assert (identity.tensor, identity.part, identity.parts, identity.to) == ("pool2", part, 3, to)


@given(st.permutations(range(6)), st.sampled_from([Wire.F32, Wire.FP16]))
def test_parts_are_joined_for_each_reader_alone(order: list[int], wire: Wire) -> None:
    """In any order of arrival each reader gets its channels of all rows, once; a repeated message changes nothing."""
    intake = Intake(CUT, "conv3")
    messages = [(payload, identity) for part in range(3) for _, payload, identity in sent(part, wire)]
    found = {}
    for payload, identity in [messages[index] for index in order]:
        intake.check(identity, payload)
        offer, inputs = intake.offer(identity, payload, 0.0)
        if offer is Offer.COMPLETE:
            (found[identity.to],) = inputs
        assert intake.offer(identity, payload, 0.0)[0] is Offer.DUPLICATE
    right = POOL2.astype(np.float16).astype(np.float32) if wire is Wire.FP16 else POOL2
    assert intake.waiting == 0
    for to in (0, 1):
        np.testing.assert_array_equal(found[to], right[:, :, 64 * to : 64 * (to + 1)])


def test_frames_and_readers_do_not_mix() -> None:
    """Rows of two frames, or rows for two readers, make no input."""
    intake = Intake(CUT, "conv3")
    mixed = [sent(0)[0], sent(1, frame=4)[0], sent(2)[0], sent(1)[1]]
    assert [intake.offer(identity, payload, 0.0)[0] for _, payload, identity in mixed] == [Offer.KEPT] * 4
    assert intake.waiting == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"to": None}, "not pool2 part 0 of 3"),
        ({"to": 2}, "not pool2 part 0 of 3 to part 2"),
        ({"part": 2, "parts": 4}, "not pool2 part 2 of 4 to part 0"),
        ({"tensor": "conv2"}, "not conv2 part 0 of 3 to part 0"),
    ],
)
def test_what_is_for_nobody_is_refused(change: dict[str, object], told: str) -> None:
    """A message without its reader, for a reader that is none, or of another number of parts is told apart."""
    _, payload, right = sent(0)[0]
    fields = {name: getattr(right, name) for name in ("run", "frame", "tensor", "part", "parts", "model", "to")}
    intake = Intake(CUT, "conv3")
    intake.check(right, payload)
    with pytest.raises(RemoteError) as caught:
        intake.check(Identity(**{**fields, **change}), payload)
    assert told in caught.value.text


def test_a_reader_named_where_all_read_the_same_is_refused() -> None:
    """The paper's halves take the whole tensor: a tag that names one of them is none of theirs."""
    intake = Intake(CUT, "front")
    with pytest.raises(RemoteError, match="to part 0"):
        intake.check(Identity("r", 0, "frame", 0, 1, "m", to=0), bytes(150_528))


def test_rows_of_another_length_are_refused() -> None:
    """Uneven parts have lengths of their own: the rows of one part do not pass for those of another."""
    (_, short, _), (_, long, identity) = sent(0)[0], sent(2)[0]
    assert len(short) < len(long)
    with pytest.raises(RemoteError, match=f"expects {len(long)} bytes of pool2, not {len(short)} bytes"):
        Intake(CUT, "conv3").check(identity, short)


def test_a_message_goes_to_the_device_of_its_reader() -> None:
    """Next stops are told for each reader; a device that holds both parts computes the one that a message is for."""
    shares = shares_of(CUT)
    here, *others = (Address("127.0.0.1", port) for port in range(1, 7))
    devices = (others[0], here, here, *others[1:])
    table = Table(0, {share: (device,) for share, device in zip(shares, devices, strict=False)})
    targets = {"front": takers(CUT, "conv2"), "conv2": takers(CUT, "conv3"), "conv3": takers(CUT, "back")}
    assert targets["conv2"] == (Share("conv3", 0), Share("conv3", 1))
    assert targets["conv3"] == ("back",)
    node = Seats(here, table, {}, {}.__getitem__, targets)
    way = Route(0, 0, (0,) * len(shares))
    stop = node.stop(Identity("r", 0, "pool1", 0, 1, "m", way, to=1), "conv2")
    assert stop.shares == (Share("conv2", 0), Share("conv2", 1))
    assert stop.next_stops == {share: table.holders[share] for share in (Share("conv3", 0), Share("conv3", 1))}
    assert stop.takers(Identity("r", 0, "pool1", 0, 1, "m", way, to=1)) == (Share("conv2", 1),)
    with pytest.raises(RemoteError, match="does not compute part 2 of role conv2"):
        stop.takers(Identity("r", 0, "pool1", 0, 1, "m", way, to=2))
