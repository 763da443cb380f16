"""What a run leaves behind: raw samples of every frame, how they were made, and what follows from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

FORMAT = "ck-iot-farm run"
VERSION = 2
"""Version of the record's layout; `harness.records.history` tells what each one changed."""


OFFICIAL_S = 60.0
"""An official window lasts so long at least (MLPerf Inference asks for 600 s, which a farm of Pis would not bear)."""
OFFICIAL_RUNS = 3
"""And is one of so many, of which the median counts (as in SPEC CPU2017)."""


SOMETIMES = ("adapted", "wire", "protocol")
"""Fields that stand in the records of some runs alone."""


class Status(StrEnum):
    """May the figures be used?"""

    VALID = "VALID"
    INVALID = "INVALID"
    INCOMPLETE = "INCOMPLETE"


class Kind(StrEnum):
    """How much a run claims: an official one lasts a minute and is one of three."""

    QUICK = "quick"
    OFFICIAL = "official"


@dataclass(frozen=True)
class Verdict:
    """Whether the figures of a run may be used, and why not.

    Attributes:
        reasons: one line for each rule that the run broke; empty when it is valid.
        notes: what a reader should know about a valid run (a short window, a missing percentile).
        broken_off: why the run ended before its time; "" where it did not.
    """

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    broken_off: str = ""

    @property
    def status(self) -> Status:
        """VALID when no rule was broken and the run came to its end."""
        if self.broken_off:
            return Status.INCOMPLETE
        return Status.INVALID if self.reasons else Status.VALID

    @property
    def valid(self) -> bool:
        """True when the figures may be used."""
        return self.status is Status.VALID


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
class Series:
    """Runs that were made to be read together.

    Attributes:
        id: the same for all of them.
        number: of this run, from 1.
        of: how many there are.
    """

    id: str
    number: int
    of: int


@dataclass(frozen=True)
class Record:
    """One measured run.

    Attributes:
        run: its identity, also carried by every message of it.
        started_utc: ISO 8601, UTC.
        ended_utc: likewise; with the idle phases and the last look at the devices.
        target: name of the target and, for a farm, its roles and addresses.
        model: name, seed or weights file, and the fingerprint over graph and weights.
        plan: partition, placements and edges; empty for a single device.
        options: what was asked for.
        devices: for each node (and the source, or the single device) its name, roles, and its environment
            (`harness.records.environment`) before and after the run.
        nodes: for each node its description (with block fingerprint) and its statistics of the window.
        frames: raw samples; every metric can be computed from them again.
        metrics: figures by their name in `harness.metrics`.
        verdict: whether they may be used.
        tolerance: largest absolute difference to the reference that counts as equal.
        kind: quick, or official.
        series: which runs it belongs to; None for a run by itself.
        declared: price and peak power as somebody declared them, with their sources; None where nobody did.
        measured: True: these are readings of a clock, not of a model.
        emulated: what was imitated, device and network: "rpi3+wifi-n"; None for the machine as it is.
        energy: what `power.energy` made of the run's trace, with meter, phases, budget and verdict of its own; None
            where no meter was there. `energy["meter"]["measured"]` is False for the virtual analyzer.
        adapted: of a run whose farm was allowed to change: each table that came into force, and how many frames were
            sent again; None where the farm had to stay as it was.
        wire: of a farm whose blocks did not send float32 to each other: the encoding, its error for each image and
            whether the most likely class stayed, and what a frame would have as float32; None for float32.
        protocol: of a run by the protocol of the 2018 artifact: its name, the burst, every reply, and the figure as the
            artifact printed it, which is no IPS; such a run is never VALID. None for honest counting.
    """

    run: str
    started_utc: str
    ended_utc: str
    target: dict[str, Any]
    model: dict[str, Any]
    plan: dict[str, Any]
    options: dict[str, Any]
    devices: tuple[dict[str, Any], ...]
    nodes: tuple[dict[str, Any], ...]
    frames: tuple[FrameSample, ...]
    metrics: dict[str, float]
    verdict: Verdict
    tolerance: float
    kind: Kind = Kind.QUICK
    series: Series | None = None
    declared: dict[str, Any] | None = None
    measured: bool = True
    emulated: str | None = None
    energy: dict[str, Any] | None = None
    adapted: dict[str, Any] | None = None
    wire: dict[str, Any] | None = None
    protocol: dict[str, Any] | None = None
    format: str = field(default=FORMAT, init=False)
    version: int = field(default=VERSION, init=False)

    def to_document(self) -> dict[str, Any]:
        """The record as plain data for JSON, not sealed yet (`harness.records.manifest`)."""
        document = asdict(self)
        document["kind"] = self.kind.value
        document["verdict"] = {
            "status": self.verdict.status.value,
            "reasons": list(self.verdict.reasons),
            "notes": list(self.verdict.notes),
            "broken_off": self.verdict.broken_off,
        }
        for name in SOMETIMES:
            if document[name] is None:
                del document[name]
        # Lists, as they come back from a file.
        for name in ("devices", "nodes", "frames"):
            document[name] = list(document[name])
        return document
