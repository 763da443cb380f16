"""The figures as a Markdown page and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.command_start import BARE, HELP
from benchmarks.comparison import Comparison
from benchmarks.dynamic_energy import DynamicEnergy
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.meter_overhead import MeterOverhead
from benchmarks.samples import Spread, spread

FORMAT = "ck-iot-farm bench"
VERSION = 3
"""Version of the layout of bench.json. 1: first layout; 2: `meter` and `dynamic`; 3: the meter switched within runs."""

_QUIET = 0.1
"""Share of the cores that others may take, in the median slot, before rates stop being comparable."""

_METHOD = (
    "Contestants take turns in one run, and each round begins with another one. IPS counts distinct frames;",
    "those of the farms were compared with the single-device output. Figures are medians over the rounds,",
    "with the range in brackets; ratios are taken round by round.",
)


@dataclass(frozen=True)
class Results:
    """Everything that one call of the suite measured.

    Attributes:
        started_utc: ISO 8601.
        environment: this machine and its software.
        options: how the suite was called.
        cores: the processor cores that everything ran on.
        comparisons: one for each model.
        start_s: command -> wall times in seconds.
        meter: what the energy meter costs a run; None when it was not measured.
        dynamic: its energies against the load model; None when they were not measured.
    """

    started_utc: str
    environment: dict[str, Any]
    options: dict[str, Any]
    cores: tuple[int, ...]
    comparisons: tuple[Comparison, ...]
    start_s: dict[str, list[float]]
    meter: MeterOverhead | None = None
    dynamic: DynamicEnergy | None = None

    def goals(self) -> list[Goal]:
        """The goals that these figures speak of."""
        goals = []
        for comparison in self.comparisons:
            name = comparison.partition
            goals.append(Goal(f"{name}: farm / ideal", comparison.ratio("farm", "ideal").median, 0.9, at_least=True))
            if "stock" in comparison.meanings:
                ratio = comparison.ratio("farm", "stock").median
                goals.append(Goal(f"{name}: farm / stock", ratio, 10.0, at_least=True))
        for found in (self.meter, self.dynamic):
            if found is not None:
                goals += found.goals()
        if self.start_s:
            value = spread(self.start_s[HELP]).median
            goals.append(Goal(f"`{HELP}`", value, 0.15, at_least=False, unit=" s"))
        return goals

    def to_document(self) -> dict[str, Any]:
        """Plain data for JSON: raw figures first, what follows from them last."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "started_utc": self.started_utc,
            "environment": self.environment,
            "options": self.options,
            "cores": list(self.cores),
            "comparisons": [comparison.to_document() for comparison in self.comparisons],
            "start_s": self.start_s,
            "meter": self.meter.to_document() if self.meter else None,
            "dynamic": self.dynamic.to_document() if self.dynamic else None,
            "summary": [_summary(comparison) for comparison in self.comparisons],
            "goals": [{**asdict(goal), "met": goal.met} for goal in self.goals()],
        }

    def to_markdown(self) -> str:
        """The page that people read."""
        environment = self.environment
        software = {"Python": environment["python"], **environment["packages"]}
        versions = ", ".join(f"{name} {version}" for name, version in software.items())
        cores = " and ".join(map(str, self.cores))
        lines = [
            "# Benchmarks",
            "",
            f"{self.started_utc}, revision {environment['revision']}, {environment['cpu']}, cores {cores},",
            f"{versions}.",
            "",
            *_METHOD,
        ]
        for comparison in self.comparisons:
            lines += ["", f"## {comparison.title}", "", *_comparison_table(comparison)]
            lines += ["", _others(comparison.foreign)]
        if self.meter is not None:
            lines += ["", *self.meter.to_lines()]
        if self.dynamic is not None:
            lines += ["", *self.dynamic.to_lines()]
        if self.start_s:
            lines += ["", "## Start of the command line", "", *_start_table(self.start_s)]
        rows = [goal.row() for goal in self.goals()]
        lines += ["", "## Goals", "", *table(["goal", "measured", "aim", "met"], rows)]
        return "\n".join(lines) + "\n"


def _summary(comparison: Comparison) -> dict[str, Any]:
    names = list(comparison.meanings)
    pairs = [("farm", other) for other in names if other != "farm"]
    return {
        "partition": comparison.partition,
        "foreign": asdict(comparison.foreign),
        "cpu_ms": {name: asdict(comparison.cpu_ms(name)) for name in names},
        "ips": {name: asdict(comparison.spread(name)) for name in names},
        "ratio": {f"{above}/{below}": asdict(comparison.ratio(above, below)) for above, below in pairs},
    }


def _comparison_table(comparison: Comparison) -> list[str]:
    rows = []
    for name, meaning in comparison.meanings.items():
        spreads: list[Spread | None] = [
            None if name == other else comparison.ratio(name, other)
            for other in ("ideal", "stock")
            if other in comparison.meanings
        ]
        ratios = ["1" if found is None else found.show(2) for found in spreads]
        digits = 1 if comparison.spread(name).median >= 20 else 2
        ips, cpu_ms = comparison.spread(name).show(digits), comparison.cpu_ms(name).show(1)
        rows.append([f"{name}: {meaning}", ips, *ratios, cpu_ms])
    headings = ["contestant", "IPS"]
    headings += [f"x of {other}" for other in ("ideal", "stock") if other in comparison.meanings]
    headings.append("CPU per frame, ms")
    return table(headings, rows)


def _others(foreign: Spread) -> str:
    line = f"Other processes took {foreign.low:.0%} to {foreign.high:.0%} of the cores during a slot."
    if foreign.median > _QUIET:
        line += (
            " That is too much for the rates: the more processes a contestant has, the larger the share that the"
            " system gives it. Measure again on a quiet machine."
        )
    return line


def _start_table(start_s: dict[str, list[float]]) -> list[str]:
    rows = [[f"`{name}`", spread(samples).show(3), str(len(samples))] for name, samples in start_s.items()]
    assert set(start_s) == {HELP, BARE}
    return table(["command", "wall time, s", "samples"], rows)
