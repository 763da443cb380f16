"""One row of the scoreboard: a checked run, or a figure that was published."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.board.columns import DECLARED, SHOWN, is_energy
from harness.board.command import command_of
from harness.board.values import is_number, mapping
from harness.board.words import UNKNOWN, plain, private
from harness.records.canonical import canonical
from harness.records.computing import asked_computing
from harness.records.published import Published

VIRTUAL, EMULATED, PUBLISHED, QUICK = "virtual", "emulated", "published", "quick"
WIRE, COMPUTED = "wire", "computed"
MARKS = (PUBLISHED, EMULATED, WIRE, COMPUTED, VIRTUAL, QUICK)
"""What a row may wear, in the order in which it wears them: the first word of each mark."""
VERDICTS = ("VALID", "PUBLISHED", "INCOMPLETE", "INVALID")
"""Verdicts in the order in which rows of them are shown."""
PLACES = {"ck": "CK results", "paper-5": "Figure 5", "paper-6": "Figure 6"}
"""Where figures were published, by `Row.figure`."""
USABLE = ("VALID", "PUBLISHED")
"""Verdicts of rows whose figures may stand in a plot; published ones by themselves."""

_ID_LETTERS = 16
_ID = re.compile(r"[0-9a-f]{16}|[a-z0-9]+(?:-[a-z0-9]+)*")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_NAME = 60
_LINE = 400
_MOST_LINES = 40


class Audited(Protocol):
    """What a checker found: `harness.records.check.Audit` is one."""

    @property
    def status(self) -> str:
        """VALID, INVALID or INCOMPLETE."""

    @property
    def reasons(self) -> Sequence[str]:
        """One line for each broken rule."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader should know besides."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Metric -> value, made again from raw data."""


@dataclass(frozen=True)
class Row:
    """What the scoreboard knows of one run or publication; every text is fit to be shown, and still to be escaped.

    Attributes:
        id: 16 hex digits of the record's SHA-256, or the slug of a publication; safe as a file name.
        origin: "run" or "published".
        model: name of the network.
        system: what it ran on.
        kind: "farm" or "host" (one device).
        device: "CPU" or "GPU" of one device; "" for a farm.
        devices: how many.
        started_utc: ISO 8601; the year of a publication; "unknown".
        figures: metric -> value in its unit; only what was made again from raw data, or published.
        declared: price and peak power with their sources; nothing of it is measured.
        verdict: one of `VERDICTS`.
        reasons: why the figures must not be used.
        notes: what to know besides.
        marks: of `MARKS`, some with their object: "emulated: rpi3", "wire: fp16", "computed: onnx", "published 2018".
        corrected: metric -> lowest and highest value that honest counting leaves of a published one.
        correction: why.
        source: where a published figure stands; the record's target and time for a run.
        command: what repeats the run; "" where nobody knows.
        name: stem of the record's file, or the slug.
        figure: the paper's figure that a published row belongs to: "ck", "paper-5", "paper-6"; "" for runs.
    """

    id: str
    origin: str
    model: str
    system: str
    kind: str
    device: str
    devices: int
    started_utc: str
    figures: dict[str, float]
    verdict: str
    declared: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    corrected: dict[str, tuple[float, float]] = field(default_factory=dict)
    correction: str = ""
    source: str = ""
    command: str = ""
    name: str = ""
    figure: str = ""

    @property
    def size(self) -> str:
        """What computes: "CPU", "5 devices"."""
        return self.device or f"{self.devices} device{'s' if self.devices != 1 else ''}"

    @property
    def label(self) -> str:
        """Name for people: "host (CPU)", "farm-5-local (5 devices)"; a published farm's name says its size already."""
        if self.origin == "published" and not self.device:
            return self.system
        return f"{self.system} ({', '.join([self.size, *self._arithmetic])})"

    @property
    def place(self) -> str:
        """Where a published figure stands, in short; the day of a run."""
        return PLACES.get(self.figure, self.started_utc[:10])

    @property
    def virtual(self) -> bool:
        """Its energy is made up."""
        return VIRTUAL in self.marks

    @property
    def emulated(self) -> str:
        """What is emulated; "" for nothing."""
        return self._object(EMULATED)

    @property
    def wire(self) -> str:
        """How tensors were rounded between blocks; "" where they were not."""
        return self._object(WIRE)

    @property
    def computed(self) -> str:
        """Runtime and precision where they are not Keras in f32: "openvino bf16"; "" where they are."""
        return self._object(COMPUTED)

    @property
    def _arithmetic(self) -> list[str]:
        """What makes answers differ from those of the usual arithmetic, in words."""
        return [f"{self.wire} wire"] * bool(self.wire) + [self.computed] * bool(self.computed)

    def _object(self, word: str) -> str:
        return next((mark.partition(": ")[2] for mark in self.marks if mark.startswith(f"{word}: ")), "")

    def value(self, metric_id: str) -> float | None:
        """A figure or a declared number; None where there is none."""
        number = self.declared.get(metric_id) if metric_id in DECLARED else self.figures.get(metric_id)
        return None if number is None else float(number)

    def basis(self, metrics: Sequence[str]) -> str:
        """What rows must share to stand on one frontier of such metrics.

        Published and verified figures are never one, nor are emulated and real devices, nor answers that were rounded
        on their way and those that were not; virtual and measured energies are two as soon as a metric is an energy.
        """
        if self.origin == "published":
            words = [next((mark for mark in self.marks if mark.startswith(PUBLISHED)), PUBLISHED), "not verified"]
        else:
            words = ["verified", *([f"emulated {self.emulated}"] if self.emulated else [])]
            words += self._arithmetic
            if any(map(is_energy, metrics)):
                words.append("virtual energy" if self.virtual else "measured energy")
        return ", ".join(words)

    def to_document(self) -> dict[str, Any]:
        """The row as plain data for JSON."""
        document = dataclasses.asdict(self)
        for name in ("reasons", "notes", "marks"):
            document[name] = list(document[name])
        document["corrected"] = {metric: list(limits) for metric, limits in self.corrected.items()}
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Row:
        """The row that `to_document` wrote (KeyError, TypeError or ValueError for anything else)."""
        known = {one.name for one in dataclasses.fields(cls)}
        if set(document) != known:
            raise ValueError(f"no row: {sorted(known ^ set(document))} are too many or missing")
        values = dict(document)
        for name in ("reasons", "notes", "marks"):
            values[name] = tuple(values[name])
        values["corrected"] = {metric: (low, high) for metric, (low, high) in values["corrected"].items()}
        row = cls(**values)
        if not _ID.fullmatch(row.id) or row.verdict not in VERDICTS:
            raise ValueError(f"no row: id {row.id!r}, verdict {row.verdict!r}")
        return row


def good(row: Row) -> tuple[int, str, float, str, str]:
    """Sort key of a table: usable rows first, published ones after them, then by model and speed."""
    return VERDICTS.index(row.verdict), row.model, -row.figures.get("ips", 0.0), row.system, row.id


def row_of_record(document: Mapping[str, Any], audit: Audited, name: str) -> Row:
    """The row of a run.

    Args:
        document: its record; nothing in it is trusted, its texts are cleaned and its figures are not read.
        audit: what the checker made of it; all figures come from here.
        name: stem of its file.
    """
    target, model = mapping(document.get("target")), mapping(document.get("model"))
    farm = target.get("kind") == "farm"
    devices = target.get("devices")
    started = document.get("started_utc")
    return Row(
        id=record_id(document),
        origin="run",
        model=_name(model.get("name")),
        system=_name(target.get("name")),
        kind="farm" if farm else "host",
        device="" if farm else _name(target.get("device")).upper(),
        devices=devices if isinstance(devices, int) and not isinstance(devices, bool) and devices > 0 else 1,
        started_utc=started if isinstance(started, str) and _UTC.fullmatch(started) else UNKNOWN,
        figures={metric: float(value) for metric, value in audit.figures.items() if _figure(metric, value)},
        declared=_declared(mapping(document.get("declared"))),
        verdict=audit.status if audit.status in VERDICTS else "INVALID",
        reasons=_lines(audit.reasons),
        notes=_lines(audit.notes),
        marks=_marks(document),
        command=command_of(document),
        name=plain(name, 2 * _NAME),
    )


def row_of_published(published: Published) -> Row:
    """The row of a publication: as published, with what honest counting leaves beside it."""
    declared = published.declared
    return Row(
        id=published.id,
        origin="published",
        model=published.model,
        system=plain(published.system, _NAME),
        kind=published.kind,
        device=published.device,
        devices=published.devices,
        started_utc=str(published.year),
        figures=dict(published.figures),
        declared=_declared(declared if isinstance(declared, dict) else dataclasses.asdict(declared)),
        verdict="PUBLISHED",
        notes=_lines(published.notes),
        marks=(f"{PUBLISHED} {published.year}",),
        corrected=dict(published.corrected),
        correction=plain(published.correction, _LINE),
        source=plain(published.source, _LINE),
        name=published.id,
        figure=published.figure,
    )


def record_id(document: Mapping[str, Any]) -> str:
    """The first 16 hex digits of the SHA-256 of a record without its own checksum: no record can claim another's."""
    bare = dict(document)
    manifest = bare.get("manifest")
    if isinstance(manifest, dict):
        bare["manifest"] = {key: value for key, value in manifest.items() if key != "record_sha256"}
    return hashlib.sha256(canonical(bare)).hexdigest()[:_ID_LETTERS]


def _marks(document: Mapping[str, Any]) -> tuple[str, ...]:
    marks = []
    emulated = document.get("emulated")
    if emulated is not None:
        marks.append(f"{EMULATED}: {_name(emulated) if isinstance(emulated, str) else UNKNOWN}")
    if document.get("wire") is not None:
        encoding = mapping(document["wire"]).get("encoding")
        marks.append(f"{WIRE}: {encoding if encoding in ('fp16', 'uint8') else UNKNOWN}")
    computed = asked_computing(mapping(document.get("options")))
    if computed:
        marks.append(f"{COMPUTED}: {computed}")
    energy = document.get("energy")
    # Anything but a plain yes to "measured" counts as made up.
    meter = mapping(mapping(energy).get("meter"))
    if document.get("measured") is not True or (energy is not None and meter.get("measured") is not True):
        marks.append(VIRTUAL)
    if document.get("kind") != "official":
        marks.append(QUICK)
    return tuple(marks)


def _declared(declared: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for metric in DECLARED:
        value = declared.get(metric)
        if is_number(value) and value > 0:
            kept[metric] = float(value)
    for name in ("price_date", "price_source", "peak_power_source"):
        value = declared.get(name)
        if isinstance(value, str) and value:
            kept[name] = plain(value, _LINE)
    return kept


def _lines(lines: Sequence[str]) -> tuple[str, ...]:
    shown = [plain(private(str(line)), _LINE) for line in lines[:_MOST_LINES]]
    more = len(lines) - len(shown)
    return (*shown, *([f"and {more} more"] if more else []))


def _name(value: Any) -> str:
    return plain(private(value), _NAME) if isinstance(value, str) and value else UNKNOWN


def _figure(metric: str, value: Any) -> bool:
    return metric in SHOWN and is_number(value)
