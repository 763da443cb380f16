"""The schedule of a chaos run: given by its seed, spread over the window."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.bench.chaos import longest_gap_s
from harness.bench.faults import FaultKind, schedule
from harness.records.record import FrameSample


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 40), st.integers(1, 9), st.floats(5, 600))
def test_a_schedule_is_what_was_asked_for(seed: int, kills: int, freezes: int, devices: int, seconds: float) -> None:
    """As many faults of each kind as asked for, in order of time, within the window, on devices that exist."""
    faults = schedule(seed, seconds=seconds, kills=kills, freezes=freezes, devices=devices)
    assert Counter(fault.kind for fault in faults) == Counter({FaultKind.KILL: kills, FaultKind.FREEZE: freezes})
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert all(0 <= fault.at_s <= seconds and 0 <= fault.device < devices for fault in faults)
    assert faults == schedule(seed, seconds=seconds, kills=kills, freezes=freezes, devices=devices)


def test_another_seed_is_another_schedule() -> None:
    """The control: seeds differ."""
    one, other = (schedule(seed, seconds=60, kills=16, freezes=12, devices=6) for seed in (1, 2))
    assert one != other


def test_the_longest_gap_counts_from_the_first_send() -> None:
    """The gap is between results that were verified, whatever came else; before the first one it counts, too."""
    times_s: list[float | None] = [0.5, 0.75, None, 2.25, 2.0]
    frames = [FrameSample(n, n, 0.0, at_s, 1, 0.0) for n, at_s in enumerate(times_s)]
    assert longest_gap_s(frames) == 1.25
    assert longest_gap_s(frames[:1]) == 0.5
    assert longest_gap_s([]) == 0.0
