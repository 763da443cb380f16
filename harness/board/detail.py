"""What the page of one record shows besides its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.board.row import Audited
from harness.board.samples import FrameSeries, PowerSeries, frames_of, power_of
from harness.board.words import UNKNOWN, plain, private, text_of
from harness.records.published import Published
from power.errors import PowerError
from power.trace_file import read_trace

_MOST_DEVICES, _MOST_FACTS, _LINE = 40, 60, 400
_BOX = {True: "[x]", False: "[ ]", None: "?"}
_FACTS = (
    ("run", ("run",)),
    ("started", ("started_utc",)),
    ("ended", ("ended_utc",)),
    ("kind of run", ("kind",)),
    ("model's weights", ("model", "weights")),
    ("model's fingerprint", ("model", "fingerprint")),
    ("seed", ("model", "seed")),
    ("partition", ("plan", "partition")),
    ("tolerance", ("tolerance",)),
    ("record's SHA-256", ("manifest", "record_sha256")),
)


class Found(Protocol):
    """One rule as a checker saw it: `harness.records.check.Finding` is one."""

    @property
    def rule(self) -> str:
        """Name of the rule."""

    @property
    def title(self) -> str:
        """What it asks for."""

    @property
    def passed(self) -> bool | None:
        """None where it is unknown or does not apply."""

    @property
    def detail(self) -> str:
        """What was found."""


class AuditedInFull(Audited, Protocol):
    """A checker's result with each of its rules."""

    @property
    def findings(self) -> Sequence[Found]:
        """In the order of the rules."""


@dataclass(frozen=True)
class Finding:
    """One line of the checks.

    Attributes:
        box: "[x]", "[ ]" or "?".
        state: "passed", "failed" or "unknown".
        title: what the rule asks for.
        text: what was found.
    """

    box: str
    state: str
    title: str
    text: str


@dataclass(frozen=True)
class Device:
    """The environment of one device, as name, value before and value after.

    Attributes:
        name: of the device.
        roles: what it computed.
        facts: in the order of the record.
    """

    name: str
    roles: str
    facts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Detail:
    """What is plotted and listed; all texts are fit to be shown and still to be escaped.

    Attributes:
        findings: the checks.
        facts: name and value of what the run was.
        devices: their environments.
        frames: raw frames; None without.
        power: the power trace; None without.
        no_power: why there is no trace; "" where there is one, or never was.
        samples: metric -> published repetitions.
    """

    findings: tuple[Finding, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    devices: tuple[Device, ...] = ()
    frames: FrameSeries | None = None
    power: PowerSeries | None = None
    no_power: str = ""
    samples: dict[str, tuple[float, ...]] = field(default_factory=dict)


def detail_of_record(document: Mapping[str, Any], audit: AuditedInFull, trace: Path | None) -> Detail:
    """What the page of a run shows.

    Args:
        document: its record, nothing in it trusted.
        audit: what the checker made of it.
        trace: its power trace; None without.
    """
    power, no_power = None, ""
    if trace is not None and trace.exists():
        try:
            power = power_of(read_trace(trace))
        except PowerError as error:
            no_power = plain(private(error.message.replace(str(trace), trace.name)), _LINE)
    elif document.get("energy") is not None:
        no_power = "the power trace is not beside the record"
    devices = document.get("devices")
    return Detail(
        findings=tuple(_finding(one) for one in audit.findings),
        facts=tuple((name, private(text_of(_at(document, keys)))) for name, keys in _FACTS),
        devices=tuple(_device(one) for one in devices[:_MOST_DEVICES]) if isinstance(devices, list) else (),
        frames=frames_of(document),
        power=power,
        no_power=no_power,
    )


def detail_of_published(published: Published) -> Detail:
    """What the page of a publication shows."""
    return Detail(samples=dict(published.samples), facts=(("counting", published.counting),))


def _finding(found: Found) -> Finding:
    state = {True: "passed", False: "failed", None: "unknown"}[found.passed]
    title = plain(private(found.title or found.rule), _LINE)
    return Finding(_BOX[found.passed], state, title, plain(private(found.detail), _LINE))


def _device(device: Any) -> Device:
    if not isinstance(device, dict):
        return Device(UNKNOWN, "", ())
    before, after = _flat(device.get("before")), _flat(device.get("after"))
    names = list(dict.fromkeys([*before, *after]))[:_MOST_FACTS]
    roles = device.get("roles")
    shown = ", ".join(text_of(role) for role in roles[:_MOST_DEVICES]) if isinstance(roles, list) else ""
    facts = tuple((plain(name), before.get(name, UNKNOWN), after.get(name, UNKNOWN)) for name in names)
    return Device(private(text_of(device.get("name"))), shown, facts)


def _flat(environment: Any, prefix: str = "") -> dict[str, str]:
    """An environment as text by dotted name; lists are joined."""
    if not isinstance(environment, dict):
        return {}
    found: dict[str, str] = {}
    for key, value in list(environment.items())[:_MOST_FACTS]:
        name = f"{prefix}{key}"
        if isinstance(value, dict) and prefix.count(".") == 0:
            found |= _flat(value, f"{name}.")
        elif isinstance(value, list):
            found[name] = private(plain(", ".join(text_of(one) for one in value[:_MOST_DEVICES]) or "none"))
        else:
            found[name] = private(text_of(value))
    return found


def _at(document: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = document
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
