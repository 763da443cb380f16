"""Dynamic energy per inference as the meter finds it, against the load model fed with the nodes' real CPU time.

The truth is the model's watts for a busy core times the CPU seconds of the node processes between the two markers of
the window, read from /proc by the process that runs the farm. It shares nothing with the path under test: not the
analyzer's clocks and its sampling of the load, its averaging and digits, VISA, the sampler's time stamps, the integral
or the baseline. The analyzer's own figure (`SIM:DYNAMIC?`) stands beside it, and tells an error of the load from one
of the meter. CPU time of idle nodes is part of the truth here and of the baseline there, and is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contestant import BenchmarkError
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.metered_farm import MeteredFarm
from power.virtual.farm_load import PI3_BUSY_W

FRAMES = (1600, 3200, 1600, 3200, 1600, 3200)
"""Frames of the six runs: two lengths in turn, some twenty and forty seconds.

The meter's update smears both edges of a window, which costs the dynamic energy up to half an update of the power:
0.5 % of ten seconds at 0.1 s. Twenty seconds leave room for the rest."""
IDLE_S = 12.0
"""Seconds of idling before and after: the baseline's own uncertainty stays far below the goal."""
GOAL_PCT = 1.0
_PERCENT = 100.0


@dataclass(frozen=True)
class DynamicRun:
    """One run. Energies are joules per inference.

    Attributes:
        frames: verified inferences.
        window_s: length of the window.
        measured_j: dynamic energy as the meter finds it.
        u_measured_j: its stated uncertainty (k = 2); None is unknown.
        truth_j: the model's watts times the nodes' CPU seconds in the window.
        analyzer_j: what the virtual analyzer says of the same window.
        idle_pct: CPU time of all nodes together while they idle, per cent of one core.
        nodes_cpu_s: the nodes' own count for the run, which begins a little before the window and ends after it.
    """

    frames: int
    window_s: float
    measured_j: float
    u_measured_j: float | None
    truth_j: float
    analyzer_j: float
    idle_pct: float
    nodes_cpu_s: float

    @property
    def error_pct(self) -> float:
        """How far the meter is from the truth, per cent of it."""
        return _PERCENT * (self.measured_j / self.truth_j - 1)

    @property
    def analyzer_error_pct(self) -> float:
        """How far the virtual analyzer's own figure is from the truth, per cent of it."""
        return _PERCENT * (self.analyzer_j / self.truth_j - 1)


@dataclass(frozen=True)
class DynamicEnergy:
    """All runs, in their order."""

    title: str
    runs: tuple[DynamicRun, ...]

    def goals(self) -> list[Goal]:
        """The worst run counts."""
        worst = max(abs(run.error_pct) for run in self.runs)
        text = f"dynamic J/inference, largest error of {len(self.runs)} runs"
        return [Goal(text, worst, GOAL_PCT, at_least=False, unit=" %")]

    def to_document(self) -> dict[str, Any]:
        """Raw figures and errors."""
        runs = [
            {**asdict(run), "error_pct": run.error_pct, "analyzer_error_pct": run.analyzer_error_pct}
            for run in self.runs
        ]
        return {"title": self.title, "busy_w": PI3_BUSY_W, "runs": runs}

    def to_lines(self) -> list[str]:
        """Its part of the page."""
        headings = [
            "frames",
            "window, s",
            "metered, J",
            "by CPU time, J",
            "error, %",
            "analyzer's own, %",
            "idle CPU, %",
        ]
        rows = [
            [
                str(run.frames),
                f"{run.window_s:.1f}",
                f"{run.measured_j:.5f} +- {'unknown' if run.u_measured_j is None else f'{run.u_measured_j:.5f}'}",
                f"{run.truth_j:.5f}",
                f"{run.error_pct:+.2f}",
                f"{run.analyzer_error_pct:+.2f}",
                f"{run.idle_pct:.2f}",
            ]
            for run in self.runs
        ]
        return [
            f"## {self.title}",
            "",
            *table(headings, rows),
            "",
            f"Joules per inference. By CPU time: {PI3_BUSY_W:g} W for a busy core times the CPU seconds of the nodes",
            "in the window, from /proc. The analyzer's own figure tells an error of the modelled load from one of the",
            "meter. Idle CPU: of all nodes together while they wait, per cent of one core; the meter calls it static.",
        ]


def measure_dynamic(title: str, farm: MeteredFarm, say: Callable[[str], None]) -> DynamicEnergy:
    """Run the farm six times.

    Args:
        title: what the page calls it.
        farm: started.
        say: is told of each run.

    Raises:
        BenchmarkError: a run failed, or its speed or energy is not valid.
    """
    runs = []
    for number, frames in enumerate(FRAMES, start=1):
        run = _figures(farm.run(frames, IDLE_S))
        say(
            f"  run {number} of {len(FRAMES)}: {run.frames} frames in {run.window_s:.1f} s, "
            f"{run.measured_j:.5f} J metered, {run.truth_j:.5f} J by CPU time ({run.error_pct:+.2f} %)"
        )
        runs.append(run)
    return DynamicEnergy(title, tuple(runs))


def _figures(answer: dict[str, Any]) -> DynamicRun:
    energy, seen = answer["energy"], answer["seen"]
    if energy["status"] != "VALID":
        raise BenchmarkError(f"the energy of a run is not valid: {'; '.join(energy['reasons'])}")
    frames = int(energy["frames"])
    idle = [entry for name, entry in seen.items() if name != "run"]
    idle_s = sum(entry["end_s"] - entry["begin_s"] for entry in idle)
    return DynamicRun(
        frames=frames,
        window_s=energy["run_s"],
        measured_j=energy["dynamic_j_per_frame"],
        u_measured_j=energy["u_dynamic_j_per_frame"],
        truth_j=PI3_BUSY_W * seen["run"]["cpu_s"] / frames,
        analyzer_j=answer["analyzer_dynamic_j"] / frames,
        idle_pct=_PERCENT * sum(entry["cpu_s"] for entry in idle) / idle_s,
        nodes_cpu_s=answer["metrics"]["nodes_cpu_s"],
    )
