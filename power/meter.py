"""What every meter can do, whatever it is: an analyzer over VISA, a counter of the kernel, a recorded file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

Scope = Literal["wall", "board rails", "package"]
"""What a meter sees: everything behind a plug or hub, some rails of a board, or a processor package."""

Kind = Literal["average", "point"]
"""Whether a reading is the mean over the update interval, or a value of one instant."""


REPLAY: Final = "replay:"
"""Begins the resource of a meter that plays a recording."""

RangeMode = Literal["fixed", "automatic", "unknown"]
"""Whether the power range stayed as it was: held, left to the instrument, or not to be known."""


@dataclass(frozen=True)
class MeterInfo:
    """What stands in a record about a meter.

    Attributes:
        name: "Yokogawa WT300E family", "Linux RAPL", ...
        resource: how it is reached: a VISA resource, a folder of the kernel, a file.
        identity: the reply to `*IDN?`, or what comes closest.
        profile: name of the profile, "" where none is used.
        profile_sha256: of the profile's file, "" where none is used.
        scope: what it sees.
        measured: False when the power is made up, as by the virtual analyzer.
        kind: whether readings are averages.
        update_s: seconds between two readings of the instrument.
        reading_pct: accuracy, per cent of the reading; None is unknown.
        range_pct: accuracy, per cent of the range; None is unknown.
        range_w: power range in watts; None is unknown.
        range_mode: whether that range is held. Only then does its offset cancel between idle and run.
    """

    name: str
    resource: str
    identity: str
    profile: str
    profile_sha256: str
    scope: Scope
    measured: bool
    kind: Kind
    update_s: float
    reading_pct: float | None = None
    range_pct: float | None = None
    range_w: float | None = None
    range_mode: RangeMode = "unknown"


@dataclass(frozen=True)
class Reading:
    """One reply of a meter.

    Attributes:
        power_w: watts.
        energy_wh: the meter's own integrator in watt-hours; None where it has none.
        elapsed_s: how long that integrator has run, seconds; None where it has none.
        asked_s: when it was asked for, seconds on the monotonic clock; None where that is when `read` began.
    """

    power_w: float
    energy_wh: float | None = None
    elapsed_s: float | None = None
    asked_s: float | None = None


class Meter(Protocol):
    """A source of readings; used by one thread."""

    @property
    def info(self) -> MeterInfo:
        """What it is; known after `open`."""

    def open(self) -> None:
        """Connect, prove who answers, and set up.

        Raises:
            LinkError: it cannot be reached, or is another instrument.
        """

    def read(self) -> Reading:
        """One reading.

        Raises:
            ReplyError: the reply holds no value; the next one may.
            LinkError: the connection is lost; `recover` may bring it back.
        """

    def fix_range(self) -> None:
        """Hold the widest power range that was needed since `open`; does nothing where there is no choice.

        Raises:
            ReplyError: the reply to a query of the range holds none.
            LinkError: the connection is lost, or the instrument did not take the range.
        """

    def recover(self) -> None:
        """Connect again, and prove that the same instrument answers.

        Raises:
            LinkError: it does not, or another one does (cause "replaced").
        """

    def close(self) -> None:
        """Let go; does nothing the second time."""
