"""May a record's figures be used? A pure function of the stored files, whoever stored them.

Whatever can be made again from the raw data is made again and compared; a figure that cannot is not handed on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import BadInputError
from harness.records.canonical import canonical
from harness.records.finding import Finding, judged, unknown
from harness.records.manifest import broken_seals
from harness.records.record import OFFICIAL_RUNS, OFFICIAL_S, Status
from harness.records.rules_devices import device_findings
from harness.records.rules_emulated import emulated_findings
from harness.records.rules_energy import energy_figures
from harness.records.rules_frames import (
    figure_finding,
    frame_findings,
    frames_of,
    raw_figures,
    recomputed,
    stability_finding,
)
from harness.records.rules_nodes import NODE_FIGURES, node_figures, node_findings
from harness.records.rules_runtime import runtime_finding
from harness.records.rules_wire import WIRE_FIGURES, wire_figures, wire_finding
from harness.records.schema import form_problems
from harness.records.store import document_of

_SAME: Final = 1e-9


@dataclass(frozen=True)
class Audit:
    """What the checker says of one record.

    Attributes:
        status: VALID, INVALID or INCOMPLETE.
        findings: every rule, in order.
        reasons: why it is not VALID, one line for each rule that failed.
        notes: what is not known, or holds back a claim.
        figures: metric -> value, made again from the raw data; only these may be shown.
    """

    status: Status
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    figures: dict[str, float]


def check_file(path: Path) -> Audit:
    """Check a record on disk, with the files beside it.

    Raises:
        BadInputError: the file is no record at all: another format, no JSON, or a field that every record has is
            missing.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    document = document_of(data, path.name)
    unsorted = document["manifest"] is not None and canonical(document) != data
    extra = ["it is not in canonical form: keys sorted, no blanks, one final newline"] if unsorted else []
    return check_record(document, path, extra)


def check_record(document: dict[str, Any], path: Path | None = None, form: list[str] | None = None) -> Audit:
    """Check a record as plain data.

    Args:
        document: in the layout of the present version, see `harness.records.store.document_of`.
        path: its file, where a manifest and a trace are looked for beside it; None knows of no files.
        form: what is wrong with its form beyond its content.
    """
    older = document["manifest"] is None
    title = "the form is that of a run record"
    problems = (form or []) + form_problems(document)
    findings = [judged("form", title, problems)]
    if problems:
        return _audit(document, findings, {})
    seal_title = "record and trace are as they were written"
    if older:
        findings.append(unknown("seal", seal_title, "an older layout, without a manifest"))
    else:
        findings.append(judged("seal", seal_title, broken_seals(document, path)))
    try:
        return _content(document, path, findings)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        return _audit(document, [judged("form", title, [f"it cannot be read: {error!r}"]), *findings[1:]], {})


def _content(document: dict[str, Any], path: Path | None, findings: list[Finding]) -> Audit:
    frames = frames_of(document)
    figures = recomputed(document, frames)
    findings = [*findings, *frame_findings(document, frames)]
    findings += [figure_finding(document, figures), *node_findings(document), wire_finding(document)]
    findings += [runtime_finding(document), *emulated_findings(document), *device_findings(document)]
    others = node_figures(document) | wire_figures(document)
    findings.append(_repeated(document, others))
    energy_finding, energy = energy_figures(document, path)
    findings += [energy_finding, *_claims(document, figures), stability_finding(frames)]
    return _audit(document, findings, raw_figures(document) | figures | others | energy)


def _audit(document: dict[str, Any], findings: list[Finding], figures: dict[str, float]) -> Audit:
    verdict = document["verdict"] if isinstance(document["verdict"], dict) else {}
    reasons = [f"{finding.rule}: {finding.detail}" for finding in findings if finding.passed is False]
    broken_off = verdict.get("broken_off") or (verdict.get("status") == "INCOMPLETE" and "nobody says why")
    told = verdict.get("reasons")
    stored = [str(reason) for reason in told] if isinstance(told, list) else []
    if broken_off:
        status = Status.INCOMPLETE
        reasons = [f"the run was broken off: {broken_off}"]
    else:
        title = "the verdict of the run itself"
        if stored or verdict.get("status") != "VALID":
            findings = [*findings, judged("verdict", title, stored or ["its status is not VALID"])]
            reasons += [f"the run itself: {reason}" for reason in stored or ["its status is not VALID"]]
        else:
            findings = [*findings, judged("verdict", title, [])]
        status = Status.INVALID if reasons else Status.VALID
    notes = [f"{finding.rule}: {finding.detail}" for finding in findings if finding.passed is None and finding.detail]
    return Audit(
        status, tuple(findings), tuple(reasons), tuple(notes), figures if status is not Status.INCOMPLETE else {}
    )


def _repeated(document: dict[str, Any], figures: dict[str, float]) -> Finding:
    stored = document["metrics"]
    problems = [
        f"{name} is {stored.get(name)!r}, nodes and plan give {value!r}"
        for name, value in figures.items()
        if name not in stored or not math.isclose(stored[name], value, rel_tol=_SAME)
    ]
    given = figures.keys()
    problems += [
        f"{name} is told, and nothing gives it"
        for name in (*NODE_FIGURES, *WIRE_FIGURES)
        if name in stored and name not in given
    ]
    return judged("counters", "figures of nodes and wire are those of counters and errors", problems)


def _claims(document: dict[str, Any], figures: dict[str, float]) -> list[Finding]:
    """What the record says of itself."""
    measured = [] if document["measured"] else ["a run whose times are not measured is none"]
    declared = document["declared"] or {}
    sourceless = [
        f"{name} has no source"
        for name, source in (("price_usd", "price_source"), ("peak_power_w", "peak_power_source"))
        if declared.get(name) is not None and not declared.get(source)
    ]
    return [
        judged("measured", "times are readings of a clock", measured),
        _official(document, figures),
        judged("declared", "what is declared names its source", sourceless),
    ]


def _official(document: dict[str, Any], figures: dict[str, float]) -> Finding:
    title = f"an official run lasts {OFFICIAL_S:g} s and is one of {OFFICIAL_RUNS}"
    if document["kind"] == "quick":
        return unknown("official", title, "a quick run, which claims no more than it shows; --official makes others")
    problems = []
    window_s = figures.get("window_s", 0.0)
    if window_s < OFFICIAL_S:
        problems.append(f"the window lasts {window_s:.1f} s")
    series = document["series"]
    if series is None or series["of"] < OFFICIAL_RUNS or series["number"] > series["of"]:
        problems.append("it is not one of a series of three")
    if document.get("adapted") is not None:
        problems.append("its farm was allowed to change")
    return judged("official", title, problems)
