"""A node's shares: which table it follows, what it loads, and what it does with a frame on each way."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from harness.farm.config import Address
from harness.node.intake import Intake
from harness.node.seats import Seats
from harness.partition.join import Offer
from harness.partition.paper import partition
from harness.plan.table import Share, Table, shares_of
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity, Route

CUT = partition("alexnet-5")
SHARES = shares_of(CUT)
HERE, *OTHERS = (Address("127.0.0.1", port) for port in range(1, 5))
FIRST = Table(0, {share: (address,) for share, address in zip(SHARES, [HERE, *OTHERS], strict=True)})
TARGETS = {"block1": ("block2",), "block2": ("block3",), "block3": ()}


class Block:
    """Stands for a loaded block."""

    def __init__(self, share: Share) -> None:
        self.fingerprint = f"of {share}"

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Nothing is computed here."""
        raise AssertionError(inputs)


def identity(frame: int = 0, route: Route | None = None, tensor: str = "frame", part: int = 0) -> Identity:
    """Of one tensor."""
    return Identity("r", frame, tensor, part, CUT.parts_of(tensor), "m", route or Route())


def seats(load: Any = Block) -> Seats:
    """Of the node that holds block1."""
    return Seats(HERE, FIRST, {SHARES[0]: Block(SHARES[0])}, load, TARGETS)


def until_epoch(node: Seats, epoch: int) -> None:
    """Wait for what is loaded beside."""
    until_s = time.monotonic() + 10
    while node.epoch < epoch:
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_table_counts_when_its_blocks_are_loaded() -> None:
    """A node is ready for a table once it has loaded what the table asks of it, and keeps what it had."""
    may_load = threading.Event()

    def load(share: Share) -> Block:
        may_load.wait(10)
        return Block(share)

    node = seats(load)
    node.seat(Table(4, dict.fromkeys(SHARES, (HERE,))))
    assert node.epoch == 0
    assert set(node.fingerprints) == {SHARES[0]}
    may_load.set()
    until_epoch(node, 4)
    assert node.fingerprints == {share: f"of {share}" for share in SHARES}
    node.begin()
    assert node.epoch == 0  # a new run knows the plan's table alone
    assert set(node.fingerprints) == set(SHARES)
    node.close()


def test_a_block_that_cannot_be_loaded_is_told() -> None:
    """A block that fails to load leaves the node at the older table, with the reason."""

    def load(share: Share) -> Block:
        raise MemoryError(f"no room for {share}")

    node = seats(load)
    node.seat(Table(1, dict.fromkeys(SHARES, (HERE,))))
    until_s = time.monotonic() + 10
    while not node.error:
        assert node.epoch == 0
        assert time.monotonic() < until_s
    assert "no room for" in node.error
    node.close()


def test_what_a_node_does_with_a_frame() -> None:
    """A frame's way says which parts are computed here and where they go; two tables are followed at once."""
    node = seats()
    node.seat(Table(1, dict.fromkeys(SHARES, (HERE, OTHERS[0]))))
    until_epoch(node, 1)
    by_number = node.stop(identity(), "block1")
    assert by_number.shares == (Share("block1", 0),)
    assert by_number.next_stops == {"block2": (OTHERS[0], OTHERS[1])}
    both_halves = node.stop(identity(route=Route(0, 1, (1, 0, 0, 1))), "block2")
    assert both_halves.shares == (Share("block2", 0), Share("block2", 1))
    assert both_halves.next_stops == {"block3": (OTHERS[0],)}
    one_half = node.stop(identity(route=Route(0, 1, (1, 1, 0, 0))), "block2")
    assert one_half.shares == (Share("block2", 1),)
    node.close()


@pytest.mark.parametrize(
    ("role", "route", "why"),
    [
        ("block1", Route(0, 7, (0, 0, 0, 0)), "no table of epoch 7"),
        ("block1", Route(0, 0, (0, 0, 0)), "names 4 holders, not 3"),
        ("block1", Route(0, 0, (1, 0, 0, 0)), "no holder 1 of block1/0"),
        ("block3", Route(0, 0, (0, 0, 0, 0)), "does not compute role block3"),
    ],
)
def test_a_way_that_does_not_lead_here_is_refused(role: str, route: Route, why: str) -> None:
    """An unknown table, a way of another length or place, and a role that is not held are refused; a right one not."""
    node = seats()
    assert node.stop(identity(route=Route(0, 0, (0, 0, 0, 0))), "block1").shares
    with pytest.raises(RemoteError, match=why):
        node.stop(identity(route=route), role)
    node.close()


def test_parts_of_two_attempts_do_not_meet() -> None:
    """Halves of one attempt make the inputs; halves of two attempts at the same frame wait for their own."""
    intake = Intake(CUT, "block3")
    tensor = intake.slots[0][0]
    halves = [np.full(CUT.message_shape(tensor), value, np.float32).tobytes() for value in (1.0, 2.0)]
    tries = [[identity(5, Route(attempt, 0, (0, 0, 0, 0)), tensor, part) for part in range(2)] for attempt in range(2)]
    assert intake.offer(tries[0][0], halves[0], 0.0)[0] is Offer.KEPT
    assert intake.offer(tries[1][1], halves[1], 1.0)[0] is Offer.KEPT
    assert intake.waiting == 2
    offer, inputs = intake.offer(tries[1][0], halves[0], 2.0)
    assert offer is Offer.COMPLETE
    assert inputs[0].shape == CUT.graph.shape(tensor)
    assert np.unique(inputs[0], return_counts=True)[1].tolist() == [inputs[0].size // 2] * 2
    assert intake.offer(tries[1][0], halves[0], 2.0)[0] is Offer.DUPLICATE
    assert intake.abandon(0.5) == 1
    assert intake.waiting == 0
