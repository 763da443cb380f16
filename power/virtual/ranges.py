"""Voltage and current ranges of the virtual analyzer: set by hand, or following the load both ways."""

from __future__ import annotations

from typing import Final

from power.errors import PowerError

VOLTS: Final = (15.0, 30.0, 60.0, 150.0, 300.0, 600.0)
"""Voltage ranges of a WT310E (maker's data sheet)."""
AMPERES: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Its current ranges (same)."""
_HEADROOM: Final = 1.1
_CLOSE: Final = 1e-9


class Ranges:
    """A voltage range and a current range; their product is the power range.

    Args:
        fixed_w: power range in watts, held from the start in the 300 V range; None is automatic.

    Attributes:
        volts: the voltage range.
        amperes: the current range.
        volts_auto: whether the voltage range follows what is there.
        amperes_auto: whether the current range does.
    """

    def __init__(self, fixed_w: float | None) -> None:
        self.volts = 300.0
        self.amperes = AMPERES[-1] if fixed_w is None else fixed_w / self.volts
        self.volts_auto = self.amperes_auto = fixed_w is None

    @property
    def limit_w(self) -> float | None:
        """The power above which nothing is shown, watts; None where the range follows."""
        return None if self.amperes_auto else self.volts * self.amperes

    def follow(self, voltage_v: float, power_w: float) -> None:
        """Choose those ranges anew that are automatic: the smallest that hold the load and a tenth more."""
        if self.volts_auto:
            self.volts = _smallest(VOLTS, _HEADROOM * voltage_v) or VOLTS[-1]
        if self.amperes_auto:
            self.amperes = _smallest(AMPERES, _HEADROOM * abs(power_w) / self.volts) or AMPERES[-1]

    def set_volts(self, volts: float) -> None:
        """Hold a voltage range: the next one above what is asked for.

        Raises:
            PowerError: it is above the largest.
        """
        self.volts, self.volts_auto = _step(VOLTS, volts, "V"), False

    def set_amperes(self, amperes: float) -> None:
        """Hold a current range, as `set_volts`."""
        self.amperes, self.amperes_auto = _step(AMPERES, amperes, "A"), False

    def turn(self) -> None:
        """Hold the neighbour of the present current range, as if somebody had turned the knob."""
        larger = _smallest(AMPERES, self.amperes * (1 + 2 * _CLOSE))
        self.amperes, self.amperes_auto = larger or AMPERES[-2], False


def _step(steps: tuple[float, ...], value: float, unit: str) -> float:
    step = _smallest(steps, value)
    if step is None or not value > 0:
        raise PowerError(f"no range for {value:g} {unit}")
    return step


def _smallest(steps: tuple[float, ...], value: float) -> float | None:
    return next((step for step in steps if step * (1 + _CLOSE) >= value), None)
