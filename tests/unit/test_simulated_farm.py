"""Farms that change while frames pass: under any seed no frame is lost, none counted twice, none joined wrongly."""

from collections import deque
from collections.abc import Hashable, Sequence

import pytest

from benchmarks.audit.simulated_farm import Ending, Faults, SimulatedFarm, right_answer
from harness.partition.join import Join, Offer
from harness.partition.paper import partition

SEEDS = range(600)


def endings(seeds: range, **options: object) -> list[Ending]:
    """What becomes of the runs with these seeds."""
    return [SimulatedFarm(seed, **options).run() for seed in seeds]


def test_no_frame_is_lost_or_wrongly_joined() -> None:
    """Proves that each frame comes back once and right while messages and devices are lost, late or frozen."""
    found = endings(SEEDS)
    assert [seed for seed, ending in zip(SEEDS, found, strict=True) if ending.wrong] == []
    assert [seed for seed, ending in zip(SEEDS, found, strict=True) if ending.counted != ending.frames] == []
    assert sum(ending.resent for ending in found) > len(SEEDS), "enough went wrong"
    assert sum(ending.epochs for ending in found) > len(SEEDS)


def test_a_seed_is_a_run() -> None:
    """Proves that a seed which failed can be tried again: it gives the same run, and another seed another one."""
    assert SimulatedFarm(11).run() == SimulatedFarm(11).run()
    assert len(set(endings(range(20)))) > 10


class ByArrival(Join[int, int]):
    """Joins the next so many messages whatever they are, as the published scripts did."""

    def __init__(self, slots: Sequence[tuple[str, int]]) -> None:
        super().__init__(slots)
        self.needed, self.queue = len(slots), deque[int]()

    def offer(self, frame: int, slot: Hashable, payload: int) -> Offer:
        """Queue it."""
        del frame, slot
        self.queue.append(payload)
        return Offer.COMPLETE if len(self.queue) >= self.needed else Offer.KEPT

    def take(self, frame: int) -> list[int]:
        """The oldest."""
        del frame
        return [self.queue.popleft() for _ in range(self.needed)]


def test_joins_by_arrival_are_found_out() -> None:
    """The control: with joins that look at no identity the same account finds wrong results."""
    assert sum(ending.wrong for ending in endings(range(40), join=ByArrival)) > 10


@pytest.mark.parametrize("options", [{"resend": False}, {"key": lambda frame, _attempt: frame}])
def test_losses_show(options: dict[str, object]) -> None:
    """The control: without sending again, or with joins that take a repeated frame for a duplicate, frames are lost."""
    assert any(ending.counted < ending.frames for ending in endings(range(20), **options))


def test_a_quiet_farm_sends_nothing_again() -> None:
    """Proves that without faults every frame is sent once, over the same table."""
    quiet = Faults(lost=0, doubled=0, late=0, kills=0, freezes=0)
    for ending in endings(range(20), faults=quiet, slowest=1.0):
        assert (ending.counted, ending.wrong, ending.resent, ending.epochs) == (12, 0, 0, 0)


def test_two_frames_have_two_answers() -> None:
    """Proves that the digests tell frames and parts apart."""
    cut = partition("alexnet-6")
    assert len({right_answer(cut, frame) for frame in range(100)}) == 100
