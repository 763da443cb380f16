"""What the virtual analyzer is connected to: power as a function of time, with its energy in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from power.errors import PowerError

_HINT = (
    "one of constant:12.5, sine:mean=10,amplitude=3,hz=1.7, square:low=5,high=15,hz=0.7, "
    "bursts:idle=11.8,busy=18,period=0.18,duty=0.6, farm:PID+PID, busy:FILE"
)


class Load(Protocol):
    """Power over time; instants are seconds on the monotonic clock since the start of the load."""

    def power_w(self, at_s: float) -> float:
        """Watts at an instant."""

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Joules between two instants, exact."""


@dataclass(frozen=True)
class Constant:
    """The same power always.

    Attributes:
        level_w: watts.
    """

    level_w: float

    def power_w(self, at_s: float) -> float:  # noqa: ARG002 - the same at every instant
        """Watts at an instant."""
        return self.level_w

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Joules between two instants."""
        return self.level_w * (end_s - begin_s)


@dataclass(frozen=True)
class Sine:
    """A sine around a mean, rising through the mean at the start.

    Attributes:
        mean_w: watts.
        amplitude_w: watts from the mean to the peak.
        hz: cycles per second.
    """

    mean_w: float
    amplitude_w: float
    hz: float

    def power_w(self, at_s: float) -> float:
        """Watts at an instant."""
        return self.mean_w + self.amplitude_w * math.sin(math.tau * self.hz * at_s)

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Joules between two instants: the integral of the sine is a difference of cosines."""
        rate = math.tau * self.hz
        swing = math.cos(rate * begin_s) - math.cos(rate * end_s)
        return self.mean_w * (end_s - begin_s) + self.amplitude_w * swing / rate


@dataclass(frozen=True)
class Bursts:
    """Busy at the beginning of each period, idle for the rest of it, as a device that computes one frame each period.

    Attributes:
        idle_w: watts while idle.
        busy_w: watts while busy.
        period_s: seconds from one burst to the next.
        duty: part of the period that is busy, 0 to 1.
    """

    idle_w: float
    busy_w: float
    period_s: float
    duty: float

    def power_w(self, at_s: float) -> float:
        """Watts at an instant."""
        phase_s = at_s - math.floor(at_s / self.period_s) * self.period_s
        return self.busy_w if phase_s < self.duty * self.period_s else self.idle_w

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Joules between two instants."""
        busy_s = self._busy_s(end_s) - self._busy_s(begin_s)
        return self.idle_w * (end_s - begin_s) + (self.busy_w - self.idle_w) * busy_s

    def _busy_s(self, at_s: float) -> float:
        """Busy seconds between the start and an instant."""
        periods = math.floor(at_s / self.period_s)
        phase_s = at_s - periods * self.period_s
        return (periods * self.duty) * self.period_s + min(phase_s, self.duty * self.period_s)


@dataclass(frozen=True)
class Square:
    """Half of each cycle high, then half low.

    Attributes:
        low_w: watts in the second half.
        high_w: watts in the first half.
        hz: cycles per second.
    """

    low_w: float
    high_w: float
    hz: float

    def power_w(self, at_s: float) -> float:
        """Watts at an instant."""
        return self._bursts().power_w(at_s)

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Joules between two instants."""
        return self._bursts().energy_j(begin_s, end_s)

    def _bursts(self) -> Bursts:
        return Bursts(self.low_w, self.high_w, 1 / self.hz, 0.5)


def parse_options(text: str, what: str) -> dict[str, str]:
    """Read ``name=value,name=value``.

    Args:
        text: the options; "" holds none.
        what: what they belong to, for messages.

    Raises:
        PowerError: a part is no ``name=value``, or a name stands twice.
    """
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise PowerError(f"{what}: {part!r} is not name=value", _HINT)
        if name.strip() in options:
            raise PowerError(f"{what}: {name.strip()} stands twice")
        options[name.strip()] = value.strip()
    return options


def finite(text: str, what: str) -> float:
    """Read a finite number.

    Raises:
        PowerError: the text is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PowerError(f"{what}: {text!r} is not a number", _HINT)
    return value


def parse_load(text: str) -> Load:
    """Read a load of a fixed waveform.

    Args:
        text: ``constant:WATTS``, ``sine:mean=,amplitude=,hz=``, ``square:low=,high=,hz=`` or
            ``bursts:idle=,busy=,period=,duty=``; watts, hertz and seconds.

    Raises:
        PowerError: the text is none of these, or a value makes no sense.
    """
    kind, _, tail = text.partition(":")
    if kind == "constant":
        return Constant(_not_negative(finite(tail, "load constant"), "constant"))
    names = {"sine": "mean amplitude hz", "square": "low high hz", "bursts": "idle busy period duty"}.get(kind)
    if names is None:
        raise PowerError(f"{text!r} is not a load", _HINT)
    given = {name: finite(value, f"load {kind} {name}") for name, value in parse_options(tail, f"load {kind}").items()}
    if set(given) != set(names.split()):
        raise PowerError(f"load {kind} takes {', '.join(names.split())}, not {', '.join(given) or 'nothing'}", _HINT)
    for name, value in given.items():
        _not_negative(value, f"{kind} {name}")
    if not all(given.get(name, 1) for name in ("hz", "period")):
        raise PowerError(f"load {kind}: hz and period must be above 0")
    if given.get("duty", 0) > 1:
        raise PowerError(f"load {kind}: duty must be 0 to 1, not {given['duty']:g}")
    if kind == "sine":
        if given["amplitude"] > given["mean"]:
            raise PowerError("load sine: the amplitude is above the mean, so the power would be negative")
        return Sine(given["mean"], given["amplitude"], given["hz"])
    if kind == "square":
        return Square(given["low"], given["high"], given["hz"])
    return Bursts(given["idle"], given["busy"], given["period"], given["duty"])


def _not_negative(value: float, what: str) -> float:
    if value < 0:
        raise PowerError(f"load {what}: {value:g} is negative")
    return value
