"""From records to the files of a report. Loads what draws: import this late."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import harness
from harness.errors import BadInputError
from harness.report.bars import bars_of
from harness.report.files import remove, write_files
from harness.report.page import bars_plot, render, trace_plot
from harness.report.paper_figures import bars_svg, trace_svg
from harness.report.sources import read_sources, report_folder
from harness.report.systems import State, System, systems_of
from harness.report.tables import FORMAT, Heading, csv_text, json_document
from harness.report.trace_series import series_of

DEFAULT_TITLE = "Energy of collaborative inference"
_PLOT_NAME = re.compile(r"(?:energy|trace)-[\w.-]+\.svg", re.ASCII)
_LONGEST_STEM = 80


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        folder: where.
        page: the HTML page in it.
        document: content of `energy.json`.
        systems: in the order of the page.
    """

    folder: Path
    page: Path
    document: dict[str, Any]
    systems: tuple[System, ...]

    def count(self, state: State) -> int:
        """How many systems are in this state."""
        return sum(system.state is state for system in self.systems)


def make_report(
    paths: Sequence[Path],
    *,
    out: Path | None = None,
    title: str = DEFAULT_TITLE,
    latest: bool = False,
    now: datetime | None = None,
) -> Report:
    """Check records, draw them, and write page, figures, table and document.

    Args:
        paths: records and folders of records.
        out: folder to write into; beside the first records where None.
        title: of the page.
        latest: only the newest run of each model and target.
        now: when it is made; tests put their own.

    Returns:
        What was written; all files or none.

    Raises:
        NotFoundError: there is no record.
        BadInputError: a record cannot be read, or the folder cannot be written or holds records itself.
    """
    sources = read_sources(paths, latest=latest)
    folder = out or report_folder(paths)
    if any(source.path.parent == folder.resolve() for source in sources):
        raise BadInputError(
            f"{folder} holds the records: the report would lie among them", "name a folder of its own with --out"
        )
    systems = systems_of(sources)
    taken: set[str] = set()
    models = [
        bars_plot(bars, _name("energy", bars.model, taken), bars_svg(bars, bars.model)) for bars in bars_of(systems)
    ]
    traces = {}
    for place, system in enumerate(systems, start=1):
        if system.recording is not None and system.energy is not None:
            series = series_of(system.recording, system.energy)
            label = f"{system.model} on {system.label}"
            file = _name("trace", system.source.path.stem, taken)
            traces[place] = trace_plot(series, label, file, trace_svg(series, label))
    plots = [*models, *traces.values()]
    heading = Heading(
        title=title,
        program=f"iot-farm {harness.__version__}",
        generated_utc=(now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        files=("energy.html", "energy.json", "energy.csv", *(plot.file for plot in plots)),
    )
    document = json_document(heading, systems)
    contents = {plot.file: plot.svg for plot in plots}
    contents["energy.csv"] = csv_text(heading, systems).encode()
    contents["energy.json"] = (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
    contents["energy.html"] = render(heading, systems, models, traces).encode()
    stale = _earlier_plots(folder) - set(contents)
    write_files(folder, contents)
    remove(folder / name for name in stale)
    return Report(folder, folder / "energy.html", document, tuple(systems))


def _name(kind: str, stem: str, taken: set[str]) -> str:
    """A file name that is safe anywhere, and not taken yet."""
    safe = re.sub(r"[^\w.-]", "_", stem, flags=re.ASCII)[:_LONGEST_STEM]
    name, number = f"{kind}-{safe}.svg", 1
    while name in taken:
        number += 1
        name = f"{kind}-{safe}-{number}.svg"
    taken.add(name)
    return name


def _earlier_plots(folder: Path) -> set[str]:
    """Figures of the report that lies there already: those that it lists itself, by their form."""
    try:
        earlier = json.loads((folder / "energy.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(earlier, dict) or earlier.get("format") != FORMAT or not isinstance(earlier.get("files"), list):
        return set()
    return {name for name in earlier["files"] if isinstance(name, str) and _PLOT_NAME.fullmatch(name)}
