"""The arithmetic of the figures of a farm that lives: drift, shares of rates, moments, and what a table answers."""

from __future__ import annotations

import pytest

from benchmarks.audit.gaps import SECONDS, moment_s
from benchmarks.audit.join_schedules import try_schedules
from benchmarks.audit.many_nodes import MOST_NODES, drift_percent, split
from benchmarks.audit.printed import none_of, print_goals
from benchmarks.audit.straggler import LEAST, SERVICE_S, TIMES, InTurns, loaded_rate_fps, sum_of_rates_fps
from benchmarks.goal import Goal
from benchmarks.stand_ins.farm import document_of
from harness.farm.config import Address
from harness.plan.assign import assign
from harness.plan.plan import QUEUE_FRAMES
from harness.plan.table import Share
from harness.records.record import FrameSample


def test_drift_is_that_of_the_ends() -> None:
    """Steady growth is the difference of both ends; a peak in the middle, or one sample at an end, is none."""
    assert drift_percent([100.0] * 300) == 0
    assert drift_percent([100.0 + n / 10 for n in range(101)]) == pytest.approx(9, abs=1)
    assert drift_percent([100.0] * 50 + [900.0] + [100.0] * 50) == 0
    assert drift_percent([100.0] * 99 + [900.0]) == 0
    with pytest.raises(ValueError, match="no drift"):
        drift_percent([100.0])


@pytest.mark.parametrize("nodes", [5, 6, 20, 99, 100, 101])
def test_every_node_has_a_role(nodes: int) -> None:
    """So many nodes are so many addresses, whole pairs of halves, and no share has more holders than frames."""
    found = split(nodes)
    assert sum(found.values()) == nodes
    assert found["block2"] % 2 == 0
    assert min(found.values()) >= 1
    assert max(found["block1"], found["block2"] // 2, found["block3"]) <= QUEUE_FRAMES
    roles = document_of("alexnet-6", 0, "127.0.47", found)["node"]
    assert sum(len(addresses) for addresses in roles.values()) == nodes + 1


def test_too_few_or_too_many_nodes_are_refused() -> None:
    """A role without a node, and more nodes than addresses, are errors."""
    for nodes in (4, MOST_NODES + 1):
        with pytest.raises(ValueError, match="possible"):
            split(nodes)


def sample(number: int, sent_s: float, verified_s: float | None) -> FrameSample:
    """A frame that was sent and came back, or did not."""
    return FrameSample(number, 0, sent_s, verified_s, int(verified_s is not None), 0.0)


def test_the_rate_is_that_of_the_loaded_farm() -> None:
    """Results after the last send do not count, nor does their time; the sum of rates is that of both devices."""
    frames = [sample(0, 0.0, 1.0), sample(1, 1.0, 2.0), sample(2, 2.0, 9.0), sample(3, 0.0, None)]
    assert loaded_rate_fps(frames) == 1.0
    assert loaded_rate_fps(frames[:1]) == 0.0
    assert loaded_rate_fps([]) == 0.0
    assert sum_of_rates_fps(5) == pytest.approx(1.2 / SERVICE_S)


def test_in_turns_must_miss() -> None:
    """The control uses each holder as often as the other: twice the rate of the slow one, which is not enough."""
    share = Share("block1", 0)
    turns = InTurns(assign({share: 1.0}, [Address("127.0.0.1", 1), Address("127.0.0.2", 1)]), 1.0)
    assert [turns.offer(frame, 0.0).way for frame in range(4)] == [(0,), (1,), (0,), (1,)]
    for slower in TIMES:
        assert 2 / (SERVICE_S * slower) < LEAST * sum_of_rates_fps(slower)


def test_a_seed_is_a_moment() -> None:
    """The same seed strikes a device at the same moment, another one at another, always within the run."""
    moments = {(seed, device): moment_s(seed, device) for seed in range(20) for device in range(4)}
    assert all(moment_s(*key) == moment for key, moment in moments.items())
    assert len(set(moments.values())) == len(moments)
    assert all(1 < moment < SECONDS - 3 for moment in moments.values())


def test_schedules_come_from_a_seed() -> None:
    """The same seed draws the same schedules, as many as asked for; ours joins all, the control does not."""
    tried = try_schedules(60, 1)
    assert tried == try_schedules(60, 1)
    assert tried.schedules == 60
    assert (tried.wrong, tried.shortest) == (0, None)
    assert tried.control_wrong > 0


def test_a_missed_goal_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Every goal is a line, remarks stand below, and one missed goal is enough."""
    met, missed = none_of("lost", 0), Goal("frames", 3, 10, at_least=True, digits=0)
    assert print_goals([met], ["seed 1"]) == 0
    assert capsys.readouterr().out.endswith("| lost | 0 | at most 0 | yes |\n\nseed 1\n")
    assert print_goals([met, missed]) == 1
    assert "| frames | 3 | at least 10 | no |" in capsys.readouterr().out
