"""What a mutation is made of: small edits of a record, its trace or its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.audit.good_records import Case, count_again
from harness.metrics import ENERGY_FIGURES
from harness.records.canonical import canonical
from harness.records.index import INDEX_FILE
from power.arithmetic import Pace
from power.energy import analyze
from power.meter import MeterInfo
from power.trace_file import read_trace, write_trace
from power.verdict import Settings

Edit = Callable[[Case], object]


def put(where: str, value: Any) -> Edit:
    """Write a value at a place such as `frames.3.error`."""

    def edit(case: Case) -> None:
        holder, key = place(case.document, where)
        holder[key] = value

    return edit


def drop(where: str) -> Edit:
    """Take away what stands at a place."""

    def edit(case: Case) -> None:
        holder, key = place(case.document, where)
        del holder[key]

    return edit


def times(where: str, factor: float) -> Edit:
    """Multiply a number."""

    def edit(case: Case) -> None:
        holder, key = place(case.document, where)
        holder[key] *= factor

    return edit


def counted(*edits: Edit) -> Edit:
    """Do it, and make every figure fit again."""

    def edit(case: Case) -> None:
        for one in edits:
            one(case)
        count_again(case.document)

    return edit


def both(*edits: Edit) -> Edit:
    """Several edits."""

    def edit(case: Case) -> None:
        for one in edits:
            one(case)

    return edit


def unsealed(*edits: Edit) -> Edit:
    """Edits by somebody who leaves the seal as it is."""

    def edit(case: Case) -> None:
        both(*edits)(case)
        case.sealed = False

    return edit


def frames(change: Callable[[dict[str, Any]], object]) -> Edit:
    """The same change to every frame."""

    def edit(case: Case) -> None:
        for frame in case.document["frames"]:
            change(frame)

    return edit


def text(change: Callable[[bytes], bytes]) -> Edit:
    """Change the bytes of the file."""

    def edit(case: Case) -> None:
        case.data = change(canonical(case.document))

    return edit


def trace(change: Callable[[str], str]) -> Edit:
    """Change the text of the power trace."""

    def edit(case: Case) -> None:
        case.trace.write_text(change(case.trace.read_text()))

    return edit


def lines(change: Callable[[list[str]], list[str]]) -> Edit:
    """Change the lines of the folder's index after everything was filed."""

    def edit(case: Case) -> None:
        case.sealed = False
        path = case.folder / INDEX_FILE
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return edit


def analyzed(
    settings: Settings | None = None,
    pace: Callable[[Pace], Pace] | None = None,
    meter: Callable[[MeterInfo], MeterInfo] | None = None,
) -> Edit:
    """Analyze the trace anew, otherwise, and carry the result through record, metrics and manifest."""

    def edit(case: Case) -> None:
        found = read_trace(case.trace)
        assert found.pace is not None
        told = pace(found.pace) if pace else found.pace
        kept = replace(found.trace, meter=meter(found.trace.meter)) if meter else found.trace
        write_trace(case.trace, kept, found.phases, found.frames, told)
        document = analyze(kept, found.phases, found.frames, settings, told).to_document()
        case.document["energy"] = document
        case.document["metrics"] |= {name: document[key] for name, key in ENERGY_FIGURES.items()}
        case.document["metrics"]["energy_measured"] = float(kept.meter.measured)

    return edit


def place(document: dict[str, Any], where: str) -> tuple[Any, Any]:
    """What holds the value at a place, and its key there."""
    holder: Any = document
    *path, last = [int(key) if key.lstrip("-").isdecimal() else key for key in where.split(".")]
    for key in path:
        holder = holder[key]
    return holder, last
