"""One farm of the audit: what was published, what the imitation gave, and what follows (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from harness.records.published import Published
from harness.reproduce.systems import Farm

NEAR: Final = 0.10
"""An honest rate that is so far outside the corrected range, as a share, still agrees with it."""
NEAR_PUBLISHED: Final = 0.15
"""Likewise of the imitated protocol and the published figure."""


@dataclass(frozen=True)
class Runs:
    """The records of one farm's runs, as JSON documents.

    Attributes:
        honest: joined and counted honestly, sent as this project sends.
        requests: sent as the artifact sent, joined and counted honestly.
        published: the artifact's protocol, defects included.
    """

    honest: Mapping[str, Any]
    requests: Mapping[str, Any]
    published: Mapping[str, Any]


@dataclass(frozen=True)
class Against:
    """The imitation beside one publication.

    Attributes:
        source: "ck" or "paper".
        as_published_ips: what was printed.
        corrected_ips: the range that counting each frame once leaves; None where nothing is known to be wrong.
        counting: see `Published`.
        protocol_off: imitated protocol over published figure, minus 1.
        requests_off: how far the honest count of the artifact's requests lies outside the corrected range, as a share;
            0 is inside, negative below.
        burst_off: the same of the protocol's own burst, each frame counted once; the corrected range is made likewise,
            so that the two are compared as wholes.
        honest_off: the same of this project's own sending.
        energy_j: total energy for each inference as published; None where none was.
    """

    source: str
    as_published_ips: float
    corrected_ips: tuple[float, float] | None
    counting: str
    protocol_off: float
    requests_off: float | None
    burst_off: float | None
    honest_off: float | None
    energy_j: float | None


@dataclass(frozen=True)
class Row:
    """One farm.

    Attributes:
        partition: the cut.
        title: for people.
        devices: the source and sink included.
        protocol_ips: what the imitated protocol prints.
        counted_ips: lowest and highest number of frames that lie in the protocol's own window, each counted once, per
            second: what the corrected range is of the published window.
        right_share: share of its replies that are right.
        requests_ips: distinct verified frames per second, sent as the artifact sent.
        honest_ips: distinct verified frames per second, sent as this project sends.
        latency_p50_s: of the latter: send to verified result.
        energy_arithmetic_j: the paper's arithmetic: power of the run over the protocol's figure.
        energy_integrated_j: power integrated over the window, for each verified frame.
        power_w: of the honest run.
        against: each publication of this farm.
        problems: why a run may not be used; empty where all are good.
    """

    partition: str
    title: str
    devices: int
    protocol_ips: float
    counted_ips: tuple[float, float]
    right_share: float
    requests_ips: float
    honest_ips: float
    latency_p50_s: float
    energy_arithmetic_j: float | None
    energy_integrated_j: float | None
    power_w: float | None
    against: tuple[Against, ...]
    problems: tuple[str, ...]

    def to_document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def row_of(farm: Farm, entries: tuple[Published, ...], runs: Runs) -> Row:
    """What follows from the records of a farm.

    Raises:
        KeyError: a record lacks a figure.
    """
    imitated = runs.published["protocol"]
    honest, requests = runs.honest["metrics"], runs.requests["metrics"]
    protocol_ips = float(imitated["as_published_ips"])
    counted = (float(imitated["counted_ips"][0]), float(imitated["counted_ips"][1]))
    power_w = honest.get("power_run_w")
    return Row(
        partition=farm.partition,
        title=farm.title,
        devices=entries[0].devices,
        protocol_ips=protocol_ips,
        counted_ips=counted,
        right_share=float(imitated["right_share"]),
        requests_ips=float(requests["ips"]),
        honest_ips=float(honest["ips"]),
        latency_p50_s=float(honest["latency_p50_s"]),
        energy_arithmetic_j=None if power_w is None else float(power_w) / protocol_ips,
        energy_integrated_j=honest.get("energy_total_j"),
        power_w=power_w,
        against=tuple(
            _against(entry, protocol_ips, counted, float(requests["ips"]), float(honest["ips"])) for entry in entries
        ),
        problems=tuple(_problems(runs)),
    )


def outside(value: float, low: float, high: float) -> float:
    """How far a value lies outside a range, as a share of the nearer end; 0 inside, negative below."""
    if value < low:
        return value / low - 1
    return value / high - 1 if value > high else 0.0


def _apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How far a range lies outside another one, as a share of the nearer end; 0 where they meet, negative below."""
    return min((outside(value, *other) for value in one), key=abs) if one[1] < other[0] or one[0] > other[1] else 0.0


def _against(
    entry: Published, protocol_ips: float, counted: tuple[float, float], requests_ips: float, honest_ips: float
) -> Against:
    corrected = entry.corrected.get("ips")
    return Against(
        source=entry.figure.split("-")[0],
        as_published_ips=entry.figures["ips"],
        corrected_ips=corrected,
        counting=entry.counting,
        protocol_off=protocol_ips / entry.figures["ips"] - 1,
        requests_off=None if corrected is None else outside(requests_ips, *corrected),
        burst_off=None if corrected is None else _apart(counted, corrected),
        honest_off=None if corrected is None else outside(honest_ips, *corrected),
        energy_j=entry.figures.get("energy_total_j"),
    )


def _problems(runs: Runs) -> list[str]:
    """Why honest runs are not valid; the protocol of 2018 never is."""
    found = []
    for name, record in (("honest", runs.honest), ("requests-2018", runs.requests)):
        verdict = record["verdict"]
        if verdict["status"] != "VALID":
            found += [f"{name}: {reason}" for reason in verdict["reasons"] or [verdict["status"]]]
    return found
