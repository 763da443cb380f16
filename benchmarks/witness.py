"""The energy meter of a run under the eyes of a witness: what the kernel says of the processes while it samples."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.contestant import BenchmarkError
from harness.bench.energy import RunMeter
from power.phases import PhaseName
from power.virtual_meter import Device

_ANALYZER = "power.virtual"
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Seen:
    """CPU time of the nodes in one phase.

    Attributes:
        begin_s: begin of the phase, monotonic.
        end_s: its end.
        cpu_s: CPU seconds of all nodes between them, by the counters in /proc (steps of 10 ms a node).
    """

    begin_s: float
    end_s: float
    cpu_s: float


class WitnessedMeter(RunMeter):
    """Reads the nodes' CPU counters at the edges of each phase, and what sampler and virtual analyzer cost.

    The counters are those of /proc; the virtual analyzer takes its load from the CPU clocks of the same processes, in
    a process of its own.

    Attributes:
        seen: phase -> what the nodes used in it.
        analyzer_dynamic_j: what the virtual analyzer itself says of the run (`SIM:DYNAMIC?`); None before its end.
        sampler_cpu_s: CPU seconds of the sampling thread.
        analyzer_cpu_s: CPU seconds of the virtual analyzer's process while it was sampled, without its start.
        wall_s: seconds of sampling.
    """

    seen: dict[PhaseName, Seen]
    analyzer_dynamic_j: float | None = None
    sampler_cpu_s: float = 0.0
    analyzer_cpu_s: float = 0.0
    wall_s: float = 0.0
    _began_s: float = 0.0

    def begin(
        self, pids: Sequence[int], devices: int, device: Device, elsewhere: int = 0, load: str | None = None
    ) -> None:
        """Open the meter, see `RunMeter.begin`."""
        self.seen = {}
        self._nodes = [psutil.Process(pid) for pid in pids]
        super().begin(pids, devices, device, elsewhere, load)
        children = [child for child in psutil.Process().children() if _ANALYZER in child.cmdline()]
        if len(children) != 1:
            raise BenchmarkError(f"{len(children)} virtual analyzers run, and it should be one")
        self._analyzer = children[0]
        self._began_s, self._before_s = time.monotonic(), _cpu_s(children)

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """Mark what happens inside the `with` block, and count what the nodes use in it."""
        with super().phase(name):
            begin_s, before_s = time.monotonic(), _cpu_s(self._nodes)
            yield
            self.seen[name] = Seen(begin_s, time.monotonic(), _cpu_s(self._nodes) - before_s)
        if name == "idle after":
            run = self.seen["run"]
            self.analyzer_dynamic_j = float(self._ask(f"SIM:DYNAMIC? {run.begin_s!r},{run.end_s!r}"))

    def end(self) -> None:
        """Let go of the meter, and keep what it cost."""
        if self._began_s and not self.wall_s:
            self.analyzer_cpu_s = _cpu_s([self._analyzer]) - self._before_s
            self.wall_s = time.monotonic() - self._began_s
        super().end()
        if self.wall_s:
            self.sampler_cpu_s = self.sampling.cpu_s

    def _ask(self, query: str) -> str:
        """One question to the analyzer over a second connection; the sampler has the first."""
        _, host, port, _ = self.sampling.trace().meter.resource.split("::")
        with socket.create_connection((host, int(port)), timeout=_ANSWER_S) as connection:
            connection.sendall(query.encode() + b"\n")
            return connection.makefile("r", encoding="ascii").readline().strip()


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(entry.user + entry.system for entry in times))
