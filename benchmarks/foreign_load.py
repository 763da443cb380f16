"""How busy others kept the cores during a slot: what a shared machine took from the figures."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import psutil


class ForeignLoad:
    """Share of the cores' time that went to processes which are not part of this suite.

    The suite's own are this process, its children, and every process that inherited `marker` in its environment
    (nodes of a farm outlive the command that started them).

    Args:
        cores: numbers of the cores that the suite is tied to.
        marker: name of an environment variable and its value.
    """

    def __init__(self, cores: Sequence[int], marker: tuple[str, str]) -> None:
        self._cores = cores
        self._marker = marker
        self._begin_s = 0.0
        self._busy_s = 0.0
        self._own_s = 0.0

    def begin(self) -> None:
        """Take the counters at the start of a slot."""
        self._begin_s, self._busy_s, self._own_s = time.monotonic(), self._busy(), self._own()

    def share(self) -> float:
        """Others' share since `begin`, 0 to 1; counters have steps of 10 ms."""
        elapsed_s = time.monotonic() - self._begin_s
        foreign_s = (self._busy() - self._busy_s) - (self._own() - self._own_s)
        return max(0.0, foreign_s / (elapsed_s * len(self._cores)))

    def _busy(self) -> float:
        times = psutil.cpu_times(percpu=True)
        return sum(sum(times[core]) - times[core].idle - times[core].iowait for core in self._cores)

    def _own(self) -> float:
        mine = os.times()
        total = mine.user + mine.system + mine.children_user + mine.children_system
        children = {child.pid for child in psutil.Process().children(recursive=True)}
        name, value = self._marker
        for process in psutil.process_iter():
            try:
                if process.pid in children or process.environ().get(name) == value:
                    used = process.cpu_times()
                    total += used.user + used.system + used.children_user + used.children_system
            except psutil.Error:
                continue  # it has ended, or belongs to another user
        return total
