"""Processors under a simulated clock: cores of a device's own, or those of one machine that all nodes share.

On shared cores a thread that keeps to a core ends its block before the next one begins there: such blocks are shorter
than the turns that computing threads ask for (decision 0021). Threads that keep to no core get equal shares of all,
which is what turns come to over long blocks. A thread that moves messages goes before those that compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import simpy

_DONE_S = 1e-12
"""Less work than this is a rounding error."""


class Processor(Protocol):
    """Something that computes."""

    def work(self, work_s: float, core: int | None = None, *, urgent: bool = False) -> simpy.Event:
        """An event that happens when so many seconds of processor time have been spent."""
        ...

    def drop(self, event: simpy.Event) -> None:
        """Let go of work that nobody wants any more."""
        ...


class OwnCores:
    """A machine with one node, whose work waits for nobody."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env

    def work(self, work_s: float, core: int | None = None, *, urgent: bool = False) -> simpy.Event:
        """See `Processor`."""
        del core, urgent
        return self._env.timeout(work_s)

    def drop(self, event: simpy.Event) -> None:
        """See `Processor`; its time passes, and nobody waits for it."""


@dataclass
class _Task:
    left_s: float
    core: int | None
    urgent: bool
    done: simpy.Event
    rate: float = 0.0


class SharedCores:
    """Cores that the threads of many nodes share.

    Args:
        env: the clock.
        cores: how many.
    """

    def __init__(self, env: simpy.Environment, cores: int) -> None:
        self._env = env
        self._cores = cores
        self._tasks: list[_Task] = []
        self._seen_s = 0.0
        self._turn = 0
        self.spent_s = 0.0

    def work(self, work_s: float, core: int | None = None, *, urgent: bool = False) -> simpy.Event:
        """See `Processor`.

        Args:
            work_s: processor time.
            core: that the thread keeps to; None is any.
            urgent: it goes before threads that compute.
        """
        self._pass_time()
        task = _Task(work_s, core, urgent, self._env.event())
        self._tasks.append(task)
        self._share_out()
        return task.done

    def drop(self, event: simpy.Event) -> None:
        """See `Processor`."""
        self._pass_time()
        self._tasks = [task for task in self._tasks if task.done is not event]
        self._share_out()

    def _pass_time(self) -> None:
        passed_s = self._env.now - self._seen_s
        self._seen_s = self._env.now
        for task in self._tasks:
            task.left_s -= passed_s * task.rate
            self.spent_s += passed_s * task.rate

    def _share_out(self) -> None:
        first: dict[int, _Task] = {}
        for task in self._tasks:
            task.rate = 0.0
            if task.core is not None and not task.urgent:
                first.setdefault(task.core, task)
        running = [task for task in self._tasks if task.core is None or task.urgent or first[task.core] is task]
        for task, rate in zip(running, shares([(t.core, t.urgent) for t in running], self._cores), strict=True):
            task.rate = rate
        self._turn += 1
        due_s = min((max(0.0, task.left_s) / task.rate for task in self._tasks if task.rate > 0), default=None)
        if due_s is not None:
            turn = self._turn
            # A timer of an earlier sharing-out finds another turn, and does nothing.
            timer = self._env.timeout(due_s)
            assert timer.callbacks is not None
            timer.callbacks.append(lambda _: self._end_tasks() if turn == self._turn else None)

    def _end_tasks(self) -> None:
        self._pass_time()
        # The earliest one is done by definition, whatever is left of it by rounding.
        least_s = min(task.left_s for task in self._tasks if task.rate > 0)
        ended = [task for task in self._tasks if task.left_s <= max(_DONE_S, least_s)]
        self._tasks = [task for task in self._tasks if task not in ended]
        self._share_out()
        for task in ended:
            task.done.succeed()


def shares(tasks: Sequence[tuple[int | None, bool]], cores: int) -> list[float]:
    """The part of a core that each thread gets.

    Args:
        tasks: core that a thread keeps to (None: any), and whether it goes first.
        cores: how many there are.

    Returns:
        For each thread 0 to 1; the sum is at most `cores`, and a core stands idle only where no thread may use it.
    """
    rates = [0.0] * len(tasks)
    free = [1.0] * cores
    kept = [sum(core == at for core, _ in tasks) for at in range(cores)]
    urgent = [at for at, (_, first) in enumerate(tasks) if first]
    # Each goes where the fewest others want to compute, and there all that go first share the core.
    on_core: list[list[int]] = [[] for _ in range(cores)]
    for at in urgent:
        core = tasks[at][0]
        chosen = min(range(cores), key=lambda one: (len(on_core[one]), kept[one], one)) if core is None else core
        on_core[chosen].append(at)
    for core, there in enumerate(on_core):
        for at in there:
            rates[at] = 1.0 / len(there)
        free[core] = 0.0 if there else 1.0
    _fill(tasks, rates, free)
    return rates


def _fill(tasks: Sequence[tuple[int | None, bool]], rates: list[float], free: list[float]) -> None:
    """Threads that compute: those of a core share it; those of any take what makes shares alike (water-filling)."""
    bound = [[at for at, task in enumerate(tasks) if task == (core, False)] for core in range(len(free))]
    roaming = [at for at, task in enumerate(tasks) if task == (None, False)]
    # A core with many threads of its own is left to them: the others go where their share is larger.
    level, open_cores = 0.0, [core for core, room in enumerate(free) if room > 0] if roaming else []
    while open_cores:
        threads = len(roaming) + sum(len(bound[core]) for core in open_cores)
        # A thread runs on one core at a time.
        level = min(1.0, sum(free[core] for core in open_cores) / threads)
        crowded = {core for core in open_cores if len(bound[core]) * level > free[core] * (1 + 1e-9)}
        if not crowded:
            break
        open_cores = [core for core in open_cores if core not in crowded]
    for at in roaming:
        rates[at] = level if open_cores else 0.0
    for core, there in enumerate(bound):
        for at in there:
            rates[at] = level if core in open_cores else free[core] / len(there)
