"""Cores under a simulated clock: nobody gets more than there is, nothing stands idle, no work is lost."""

from collections.abc import Callable, Sequence

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.simulate.cores import SharedCores, shares

Tasks = list[tuple[int | None, bool]]
CORES = 3


@st.composite
def tasks_on_cores(draw: st.DrawFn) -> Tasks:
    """Threads that keep to a core or to none, some of them urgent ones of none."""
    kept = draw(st.lists(st.one_of(st.none(), st.integers(0, CORES - 1)), max_size=8))
    return [(core, False) for core in kept] + [(None, True)] * draw(st.integers(0, 4))


def check(tasks: Tasks, rates: Sequence[float]) -> None:
    """What every division of cores must keep to."""
    assert all(-1e-9 <= rate <= 1 + 1e-9 for rate in rates)
    assert sum(rates) <= CORES + 1e-6
    for core in range(CORES):
        assert sum(rate for (at, _), rate in zip(tasks, rates, strict=True) if at == core) <= 1 + 1e-9
    busiest = min(CORES, len({core for core, _ in tasks if core is not None}) + sum(core is None for core, _ in tasks))
    assert sum(rates) >= min(busiest, sum(core is None for core, _ in tasks)) - 1e-6
    if all(core is None for core, _ in tasks):
        assert sum(rates) == pytest.approx(min(CORES, len(tasks)))


@given(tasks_on_cores())
def test_cores_are_shared_out(tasks: Tasks) -> None:
    """Proves that no core and no thread gets more than one core, and that roaming threads use what is free."""
    check(tasks, shares(tasks, CORES))


@pytest.mark.parametrize(
    "wrong", [lambda tasks, _: [1.0] * len(tasks), lambda tasks, _: [0.5 / max(1, len(tasks))] * len(tasks)]
)
def test_a_wrong_division_is_found_out(wrong: Callable[[Tasks, int], list[float]]) -> None:
    """Control: whole cores for everybody, and cores that stand idle, do not pass the same check."""
    tasks: Tasks = [(None, False)] * 4
    with pytest.raises(AssertionError):
        check(tasks, wrong(tasks, CORES))


def test_threads_of_a_core_share_it_and_the_others_go_elsewhere() -> None:
    """Proves the numbers of one division: two kept to core 0, one roaming, and an urgent one that goes first."""
    assert shares([(0, False), (0, False), (None, False)], 2) == pytest.approx([0.5, 0.5, 1.0])
    assert shares([(0, False), (None, False), (None, True)], 2) == pytest.approx([0.5, 0.5, 1.0])
    assert shares([(0, False), (1, False), (None, True)], 2) == pytest.approx([0.0, 1.0, 1.0])


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.001, 5), st.floats(0, 5)), min_size=1, max_size=12))
def test_work_is_conserved(jobs: list[tuple[float, float]]) -> None:
    """Proves that all work is done, each bit once, and no sooner than cores and arrivals allow."""
    env = simpy.Environment()
    cores, ended = SharedCores(env, 2), []

    def job(work_s: float, at_s: float) -> simpy.events.ProcessGenerator:
        yield env.timeout(at_s)
        yield cores.work(work_s)
        ended.append((env.now, work_s, at_s))

    for work_s, at_s in jobs:
        env.process(job(work_s, at_s))
    env.run()
    assert len(ended) == len(jobs)
    assert cores.spent_s == pytest.approx(sum(work_s for work_s, _ in jobs), rel=1e-6)
    assert all(end_s >= at_s + work_s - 1e-6 for end_s, work_s, at_s in ended)
    assert env.now >= sum(work_s for work_s, _ in jobs) / 2 - 1e-6


def test_blocks_of_a_core_go_one_after_the_other() -> None:
    """Proves that threads of one core take turns by blocks, and those of none share what is left alike."""
    env = simpy.Environment()
    cores, ended = SharedCores(env, 2), []
    for name, work_s, core in (("a", 1.0, 0), ("b", 1.0, 0), ("c", 1.0, None), ("d", 1.0, None)):
        done = cores.work(work_s, core)
        assert done.callbacks is not None
        done.callbacks.append(lambda _, name=name: ended.append((name, round(env.now, 9))))
    env.run()
    # Three threads on two cores until the first block ends, and again until c and d do; then b has a core to itself.
    assert ended == [("a", 1.5), ("c", 1.5), ("d", 1.5), ("b", 2.5)]
    assert cores.spent_s == pytest.approx(4.0)


def test_what_is_dropped_frees_its_core() -> None:
    """Proves that the work of a device that fails takes nothing from the others from then on."""
    env = simpy.Environment()
    cores = SharedCores(env, 1)
    lost, kept = cores.work(10.0), cores.work(1.0)
    env.run(until=1.0)
    cores.drop(lost)
    env.run(until=kept)
    assert env.now == pytest.approx(1.5)
    assert not lost.triggered
