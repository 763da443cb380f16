"""What a run leaves behind: raw samples of every frame, how they were made, and what follows from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

FORMAT = "ck-iot-farm run"
VERSION = 1
"""Version of the record's layout. 1: first layout."""


class Status(StrEnum):
    """May the figures be used?"""

    VALID = "VALID"
    INVALID = "INVALID"


@dataclass(frozen=True)
class Verdict:
    """Whether the figures of a run may be used, and why not.

    Attributes:
        reasons: one line for each rule that the run broke; empty when it is valid.
        notes: what a reader should know about a valid run (a short window, a missing percentile).
    """

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """VALID when no rule was broken."""
        return Status.INVALID if self.reasons else Status.VALID

    @property
    def valid(self) -> bool:
        """True when the figures may be used."""
        return not self.reasons


@dataclass(frozen=True)
class FrameSample:
    """One frame of the measured window, as it was seen by the source and sink.

    Attributes:
        frame: its number; the window starts after the warm-up's numbers.
        image: which image of the pool it carried.
        sent_s: when it was handed to the network, seconds since the window began.
        verified_s: when its checked result was there, seconds since the window began; None if it never was.
        replies: results that came back for it; 1 is right.
        error: largest absolute difference to the single-device reference; None if nothing came back, or no number.
    """

    frame: int
    image: int
    sent_s: float
    verified_s: float | None
    replies: int
    error: float | None

    @property
    def latency_s(self) -> float | None:
        """Send to verified result, or None."""
        return None if self.verified_s is None else self.verified_s - self.sent_s


@dataclass(frozen=True)
class Record:
    """One measured run.

    Attributes:
        run: its identity, also carried by every message of it.
        started_utc: ISO 8601, UTC.
        target: name of the target and, for a farm, its roles and addresses.
        model: name, seed or weights file, and the fingerprint over graph and weights.
        plan: partition, placements and edges; empty for a single device.
        options: what was asked for.
        environment: this machine and its software.
        nodes: for each node its description (with block fingerprint) and its statistics of the window.
        frames: raw samples; every metric can be computed from them again.
        metrics: figures by their name in `harness.metrics`.
        verdict: whether they may be used.
        tolerance: largest absolute difference to the reference that counts as equal.
        measured: True: these are readings of a clock, not of a model.
        emulated: name of the emulated device, or None.
        energy: what `power.energy` made of the run's trace, with meter, phases, budget and verdict of its own; None
            where no meter was there. `energy["meter"]["measured"]` is False for the virtual analyzer.
    """

    run: str
    started_utc: str
    target: dict[str, Any]
    model: dict[str, Any]
    plan: dict[str, Any]
    options: dict[str, Any]
    environment: dict[str, Any]
    nodes: tuple[dict[str, Any], ...]
    frames: tuple[FrameSample, ...]
    metrics: dict[str, float]
    verdict: Verdict
    tolerance: float
    measured: bool = True
    emulated: str | None = None
    energy: dict[str, Any] | None = None
    format: str = field(default=FORMAT, init=False)
    version: int = field(default=VERSION, init=False)

    def to_document(self) -> dict[str, Any]:
        """The record as plain data for JSON."""
        document = asdict(self)
        document["verdict"] = {
            "status": self.verdict.status.value,
            "reasons": list(self.verdict.reasons),
            "notes": list(self.verdict.notes),
        }
        return document
