"""The figures as a Markdown page and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.goal import Goal, goal_lines
from benchmarks.section import Section

FORMAT = "ck-iot-farm bench"
VERSION = 4
"""Version of the layout of bench.json. 1: first layout; 2: `meter` and `dynamic`; 3: the meter switched within runs;
4: a section for each part, with its raw figures as the part lays them out."""

_QUICK = "**Made with `--quick`: slots are far too short to measure anything, and no goal is judged by them.**"


@dataclass(frozen=True)
class Results:
    """Everything that one call of the suite measured.

    Attributes:
        started_utc: ISO 8601.
        environment: this machine and its software.
        options: how the suite was called.
        cores: the processor cores that everything ran on.
        sections: name of a part -> what came of it.
        took_s: name of a part -> seconds that it took.
        failed: name of a part -> why there is nothing of it.
    """

    started_utc: str
    environment: dict[str, Any]
    options: dict[str, Any]
    cores: tuple[int, ...]
    sections: Mapping[str, Section]
    took_s: Mapping[str, float]
    failed: Mapping[str, str]

    def goals(self) -> list[Goal]:
        """The goals that these figures speak of."""
        return [goal for section in self.sections.values() for goal in section.goals]

    def to_document(self) -> dict[str, Any]:
        """Plain data for JSON: raw figures first, what follows from them last."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "started_utc": self.started_utc,
            "environment": self.environment,
            "options": self.options,
            "cores": list(self.cores),
            "took_s": dict(self.took_s),
            "failed": dict(self.failed),
            "sections": {name: section.document for name, section in self.sections.items()},
            "goals": [
                {**asdict(goal), "met": None if self.options.get("quick") else goal.met} for goal in self.goals()
            ],
        }

    def to_markdown(self) -> str:
        """The page that people read."""
        environment = self.environment
        software = {"Python": environment["python"], **environment["packages"]}
        versions = ", ".join(f"{name} {version}" for name, version in software.items())
        cores = " and ".join(map(str, self.cores))
        minutes = sum(self.took_s.values()) / 60
        lines = [
            "# Benchmarks",
            "",
            f"{self.started_utc}, revision {environment['revision']}, {environment['cpu']}, cores {cores},",
            f"{versions}. Made in {minutes:.1f} minutes.",
            "",
        ]
        quick = bool(self.options.get("quick"))
        if quick:
            lines += [_QUICK, ""]
        lines += goal_lines(self.goals(), list(self.failed), judged=not quick)
        lines += ["", "Medians of interleaved repeats in one run, the quartiles in brackets. A goal is printed, never"]
        lines += ["enforced."]
        for name, why in self.failed.items():
            lines += ["", f"**{name} was not measured:** {why}"]
        for section in self.sections.values():
            lines += ["", *section.lines]
        return "\n".join(lines) + "\n"
