"""The deadline of a window: from the warm-up's median, whatever its longest frame."""

import pytest

from harness.bench.crew import WARMUP_DEADLINE_S, fixed_deadline_s


@pytest.mark.parametrize(
    ("latencies_s", "deadline_s"),
    [([], WARMUP_DEADLINE_S), ([0.01] * 9, 0.5), ([0.2] * 9, 1.6), ([0.2, 0.2, 30.0], 1.6)],
)
def test_a_warm_up_gives_a_deadline(latencies_s: list[float], deadline_s: float) -> None:
    """Half a second at least, the warm-up's own deadline without frames, and one lost frame changes nothing."""
    assert fixed_deadline_s(latencies_s) == pytest.approx(deadline_s)


@pytest.mark.parametrize("slower", [2, 5])
def test_a_slow_device_is_waited_for(slower: int) -> None:
    """With queues of one length everywhere, frames over a device five times slower are back before the deadline."""
    fast_s = 0.12
    assert fixed_deadline_s([fast_s] * 10 + [fast_s * slower] * 2) > fast_s * slower
