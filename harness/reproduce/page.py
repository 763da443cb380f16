"""The audit as one HTML page that needs nothing from outside, and as a table in Markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.report.audit_figure import FarmRates, audit_svg, in_words
from harness.reproduce.claims import Judged
from harness.reproduce.row import NEAR, NEAR_PUBLISHED, Against, Row

_SOURCES: Final = {"ck": "CK results", "paper": "paper"}
_PERCENT: Final = 100


@dataclass(frozen=True)
class AuditPage:
    """Everything on the page.

    Attributes:
        rows: the farms.
        claims: of the paper.
        emulation: what was imitated.
        made_utc: when.
        machine: on what, in one line.
        left_out: farms that were not run, and why.
        records: names of the files that bear it all out.
    """

    rows: tuple[Row, ...]
    claims: tuple[Judged, ...]
    emulation: str
    made_utc: str
    machine: str
    left_out: tuple[str, ...]
    records: tuple[str, ...]

    def to_document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "format": "ck-iot-farm audit",
            "version": 1,
            "emulation": self.emulation,
            "made_utc": self.made_utc,
            "machine": self.machine,
            "rows": [row.to_document() for row in self.rows],
            "claims": [vars(claim) for claim in self.claims],
            "left_out": list(self.left_out),
            "records": list(self.records),
        }


HEADINGS: Final = (
    "farm",
    "published in",
    "as published, IPS",
    "protocol of 2018, imitated",
    "off",
    "right replies",
    "corrected range, IPS",
    "the burst counted once",
    "its requests, counted honestly",
    "off",
    "this project's IPS",
    "off",
    "latency p50, s",
)
ENERGY: Final = (
    "farm",
    "published in",
    "as published, J",
    "P / IPS of the protocol, J",
    "integrated, J",
    "power, W",
)
"""Of one inference."""


def energy_cells(row: Row, one: Against) -> list[str]:
    """A farm's energy beside one publication."""
    figures = (one.energy_j, row.energy_arithmetic_j, row.energy_integrated_j, row.power_w)
    return [row.title, _SOURCES[one.source], *map(_figure, figures)]


def cells(row: Row, one: Against) -> list[str]:
    """One line of the table: a farm beside one publication."""
    return [
        row.title,
        _SOURCES[one.source] + ("" if one.counting == "twice" else f" (counting {one.counting})"),
        _figure(one.as_published_ips),
        _figure(row.protocol_ips),
        _off(one.protocol_off),
        f"{row.right_share:.0%}",
        "unknown" if one.corrected_ips is None else f"{one.corrected_ips[0]:.3g} to {one.corrected_ips[1]:.3g}",
        f"{row.counted_ips[0]:.3g} to {row.counted_ips[1]:.3g}",
        _figure(row.requests_ips),
        _off(one.requests_off),
        _figure(row.honest_ips),
        _off(one.honest_off),
        f"{row.latency_p50_s:.2f}",
    ]


def agreement(row: Row, one: Against) -> str:
    """What the imitation says of one published figure, in words."""
    if row.problems:
        return "cannot be told: a run of this farm may not be used"
    again = abs(one.protocol_off) <= NEAR_PUBLISHED
    printed = "the imitated protocol prints it again" if again else "the imitated protocol prints another figure"
    return printed if one.requests_off is None else f"{printed}; {_counted(one, one.requests_off)}"


def _counted(one: Against, requests_off: float) -> str:
    """How honest counts agree with the corrected figure."""
    if abs(requests_off) <= NEAR:
        return "an honest count agrees with the correction"
    side = "below" if requests_off < 0 else "above"
    if one.burst_off is not None and abs(one.burst_off) <= NEAR:
        return f"its burst counted once agrees with the correction, and a steady rate lies {side}"
    return f"an honest count lies {side} the correction"


def to_markdown(page: AuditPage) -> str:
    """The table and the claims."""
    pairs = [(row, one) for row in page.rows for one in row.against]
    lines = table(HEADINGS, [cells(*pair) for pair in pairs])
    lines += ["", *table(ENERGY, [energy_cells(*pair) for pair in pairs])]
    lines += ["", "| claim | claimed | requests of 2018 | this project | verdict |", "|---|---|---|---|---|"]
    for claim in page.claims:
        ratios = [_times(ratio) for ratio in (claim.claimed, claim.counted, claim.honest)]
        lines.append(f"| {claim.text} ({claim.where}) | " + " | ".join(ratios) + f" | {claim.verdict} |")
    return "\n".join(lines) + "\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *rows)]


def render(page: AuditPage) -> str:
    """The page; everything in it is escaped."""
    environment = Environment(
        loader=PackageLoader("harness.reproduce"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("audit.html").render(
        page=page,
        headings=HEADINGS,
        lines=[cells(row, one) for row in page.rows for one in row.against],
        words=[(row.title, _SOURCES[one.source], agreement(row, one)) for row in page.rows for one in row.against],
        energy_headings=ENERGY,
        energies=[energy_cells(row, one) for row in page.rows for one in row.against],
        claims=[(claim, *map(_times, (claim.claimed, claim.counted, claim.honest))) for claim in page.claims],
        figures=[_image(title, rates) for title, rates in _models(page.rows)],
        near=f"{NEAR:.0%}",
        near_published=f"{NEAR_PUBLISHED:.0%}",
    )


def _models(rows: Sequence[Row]) -> list[tuple[str, list[FarmRates]]]:
    found: dict[str, list[FarmRates]] = {}
    for row in rows:
        model = row.title.split(" on ")[0]
        found.setdefault(model, []).extend(
            FarmRates(
                f"{row.devices} devices\n({_SOURCES[one.source]})",
                one.as_published_ips,
                one.corrected_ips,
                row.protocol_ips,
                row.requests_ips,
                row.honest_ips,
            )
            for one in row.against
        )
    return list(found.items())


def _image(title: str, rates: list[FarmRates]) -> tuple[str, str, str]:
    svg = base64.b64encode(audit_svg(rates, title)).decode()
    return title, f"data:image/svg+xml;base64,{svg}", in_words(rates)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _off(share: float | None) -> str:
    if share is None:
        return "unknown"
    return "inside" if share == 0 else f"{_PERCENT * share:+.1f} %"


def _times(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio:.2f}"
