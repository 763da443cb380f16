"""The systems of a comparison: one for each record, with its checked figures and what speaks against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from harness.errors import BadInputError
from harness.records.energy_check import check_energy, check_ips
from harness.report.figures import figures_of
from harness.report.sources import Source, file_sha256
from power.recording import Recording

_SINGLE_DEVICES = {"gpu": 0, "cpu": 1}
"""Order of the paper's Figures 5 and 6: the single device's GPU, its CPU, then the farms by size."""
T = TypeVar("T")
VIRTUAL = "virtual: made up by a load model, not measured"


class State(StrEnum):
    """What may be done with the energy of a system."""

    VALID = "VALID"
    INVALID = "INVALID"
    REFUSED = "REFUSED"
    NONE = "no energy measured"


@dataclass(frozen=True)
class System:
    """One run of one model on one target.

    Attributes:
        source: its record.
        trace_sha256: of its trace; None without one.
        run: name of the run.
        started_utc: ISO 8601.
        model: name of the network.
        target: name of the target, text of whoever made it.
        device: "GPU", "CPU", ... of a single device; "" for a farm.
        devices: how many there are.
        emulated: name of the emulated device; None where nothing was emulated.
        number: 1, 2, ... among runs of the same model and target; 0 where it is the only one.
        ips: inferences per second; None where the run has none, or raw frames give another figure.
        energy: document of the energy, made again from the trace; None without or where it is refused.
        recording: the trace; None likewise.
        virtual: somebody says that the power is made up.
        reasons: what speaks against the energy.
        speed_reasons: what speaks against the speed.
        notes: what to know besides.
        refused: figures stand in the record and are not printed.
    """

    source: Source
    trace_sha256: str | None
    run: str
    started_utc: str
    model: str
    target: str
    device: str
    devices: int
    emulated: str | None
    ips: float | None
    energy: dict[str, Any] | None
    recording: Recording | None
    virtual: bool
    reasons: tuple[str, ...]
    speed_reasons: tuple[str, ...]
    notes: tuple[str, ...]
    refused: bool
    number: int = 0

    @property
    def state(self) -> State:
        """VALID needs a valid speed, too: energy per inference divides by the verified frames of the run."""
        if self.refused:
            return State.REFUSED
        if self.energy is None:
            return State.NONE
        return State.INVALID if self.reasons or self.speed_reasons else State.VALID

    @property
    def all_reasons(self) -> tuple[str, ...]:
        """Everything that speaks against figures of this system, those of the speed marked as such."""
        return (*(f"the run itself: {reason}" for reason in self.speed_reasons), *self.reasons)

    @property
    def size(self) -> str:
        """What computes: "CPU", "5 devices"."""
        return self.device or f"{self.devices} devices"

    @property
    def name(self) -> str:
        """Target and, where it has several runs, which."""
        return f"{self.target} #{self.number}" if self.number else self.target

    @property
    def label(self) -> str:
        """Name for people: "host (CPU)", "farm-5-local (5 devices)"."""
        return f"{self.name} ({self.size})"

    @property
    def figures(self) -> dict[str, float]:
        """Known and checked figures by their name in `harness.metrics`."""
        return figures_of(self.ips, self.energy)

    @property
    def k(self) -> float | None:
        """Coverage factor of every uncertainty; None without energy."""
        return None if self.energy is None else float(self.energy["settings"]["k"])


def systems_of(sources: Sequence[Source]) -> list[System]:
    """Check every record, and put the systems in the order of the paper's figures.

    Raises:
        BadInputError: a record whose target or model is not what it should be.
    """
    systems = sorted((_system(source) for source in sources), key=_order)
    several = Counter(_same_system(system) for system in systems)
    seen: Counter[tuple[str, str, str]] = Counter()
    numbered = []
    for system in systems:
        key = _same_system(system)
        seen[key] += 1
        numbered.append(replace(system, number=seen[key]) if several[key] > 1 else system)
    return numbered


def _same_system(system: System) -> tuple[str, str, str]:
    return system.model, system.target, system.size


def _order(system: System) -> tuple[str, int, int, str, str]:
    rank = _SINGLE_DEVICES.get(system.device.lower(), 2) if system.device else 3
    return system.model, rank, system.devices, system.target, system.started_utc


def _system(source: Source) -> System:
    document = source.document
    target = _expect(source, "target", document["target"], dict)
    verdict = _expect(source, "verdict", document["verdict"], dict)
    speed_reasons = _texts(source, "verdict.reasons", verdict["reasons"])
    if verdict["status"] != ("INVALID" if speed_reasons else "VALID"):
        speed_reasons = (*speed_reasons, f"its verdict is {verdict['status']!r}")
    if document["measured"] is not True:
        speed_reasons = (*speed_reasons, "its times are no readings of a clock")
    run_notes = tuple(f"the run itself: {note}" for note in _texts(source, "verdict.notes", verdict["notes"]))
    kind = _expect(source, "target.kind", target["kind"], str)
    device = "" if kind == "farm" else _expect(source, "target.device", target.get("device"), str).upper()
    ips, ips_reasons = check_ips(document)
    checked = check_energy(document, source.trace_path)
    energy = checked.energy
    return System(
        source=source,
        trace_sha256=file_sha256(source.trace_path) if checked.recording else None,
        run=_expect(source, "run", document["run"], str),
        started_utc=_expect(source, "started_utc", document["started_utc"], str),
        model=_expect(source, "model.name", document["model"]["name"], str),
        target=_expect(source, "target.name", target["name"], str),
        device=device,
        devices=_expect(source, "target.devices", target["devices"], int),
        emulated=None if document["emulated"] is None else str(document["emulated"]),
        ips=ips,
        energy=energy,
        recording=checked.recording,
        virtual=_is_virtual(document.get("energy")),
        reasons=checked.refused or (() if energy is None else _against(energy)),
        speed_reasons=(*speed_reasons, *ips_reasons),
        notes=(*(() if energy is None else energy["notes"]), *run_notes),
        refused=bool(checked.refused),
    )


def _against(energy: dict[str, Any]) -> tuple[str, ...]:
    return tuple(energy["reasons"]) or (() if energy["status"] == "VALID" else ("its verdict gives no reason",))


def _is_virtual(energy: Any) -> bool:
    """Anything but a plain yes to "measured" counts as made up."""
    if energy is None:
        return False
    meter = energy.get("meter") if isinstance(energy, dict) else None
    return not (isinstance(meter, dict) and meter.get("measured") is True)


def _expect(source: Source, name: str, value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadInputError(
            f"the run record {source.path} has {name} {value!r}", f"it should be of type {kind.__name__}"
        )
    return value


def _texts(source: Source, name: str, value: Any) -> tuple[str, ...]:
    return tuple(_expect(source, name, text, str) for text in _expect(source, name, value, list))
