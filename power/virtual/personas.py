"""The dialects of the virtual analyzer: which commands each instrument knows, and how it writes values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from power.errors import PowerError
from power.virtual.instrument import Instrument, Snapshot
from power.virtual.scpi import Call, Command, command

_SUFFIX = {"": 1.0, "S": 1.0, "MS": 1e-3, "A": 1.0, "MA": 1e-3, "V": 1.0}
_QUANTITY = re.compile(r"([0-9.]+(?:E[+-]?\d+)?)\s*([A-Z]*)")


def quantity(text: str) -> float:
    """Read a number with an optional unit, as ``100MS`` or ``0.5A``.

    Raises:
        PowerError: the text is none.
    """
    match = _QUANTITY.fullmatch(text.upper())
    if not match or match[2] not in _SUFFIX:
        raise PowerError(f"{text!r} is not a quantity")
    try:
        return float(match[1]) * _SUFFIX[match[2]]
    except ValueError as error:
        raise PowerError(f"{text!r} is not a quantity") from error


def switch(text: str) -> bool:
    """Read a switch: ON, OFF, 1 or 0.

    Raises:
        PowerError: the text is none of them.
    """
    if text.upper() not in {"ON", "1", "OFF", "0"}:
        raise PowerError(f"{text!r} is neither ON nor OFF")
    return text.upper() in {"ON", "1"}


class Persona:
    """What all dialects share; a subclass adds its tree of commands.

    Args:
        instrument: what measures.
    """

    identity = ""
    terminator = b"\n"
    nan = "9.91E+37"
    overrange = "9.9E+37"
    volts = 230.0

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.forced: Snapshot | None = None
        self.commands: tuple[Command, ...] = (
            command("*IDN?", lambda _call: self.identity),
            command("*OPC?", lambda _call: "1"),
            command("*CLS", lambda _call: instrument.clear_errors()),
            command("*RST", lambda _call: None),
            command("SYSTem:ERRor?", lambda _call: self.error_text()),
            command("SYSTem:ERRor:NEXT?", lambda _call: self.error_text()),
            command("STATus:ERRor?", lambda _call: self.error_text()),
            *self.tree(),
        )

    def tree(self) -> tuple[Command, ...]:
        """The commands of this instrument."""
        return ()

    def error_text(self) -> str:
        """The oldest error."""
        code, message = self.instrument.next_error()
        return f'{code},"{message}"'

    def turn_range(self) -> None:
        """Change the range as if somebody turned the knob; nothing where an instrument has none."""

    def shown(self) -> Snapshot:
        """What the display shows, or what a fault put there."""
        return self.forced or self.instrument.snapshot()

    def number(self, value: float) -> str:
        """A value as this instrument writes it."""
        if math.isinf(value):
            return self.overrange
        return self.nan if math.isnan(value) else f"{value:.{self.instrument.digits}E}"

    def power(self, per: float = 1.0) -> str:
        """The power over `per` (volts give amperes), or the text of its error."""
        shown = self.shown()
        if shown.instead:
            return shown.instead
        return self.overrange if shown.overrange else self.number(shown.power_w / per)

    def current(self) -> str:
        """The current in amperes."""
        return self.power(self.volts)


class Hmc8015(Persona):
    """Rohde & Schwarz HMC8015."""

    identity = "Rohde&Schwarz,HMC8015,VIRTUAL,02.201"
    nan = "NAN"

    def __init__(self, instrument: Instrument) -> None:
        self.functions = ["P"]
        super().__init__(instrument)

    def tree(self) -> tuple[Command, ...]:
        """The list of functions and its values."""
        return (
            command("CHANnel#:MEASurement:FUNCtion", self._set_functions),
            command("CHANnel#:MEASurement:FUNCtion?", lambda _call: ",".join(self.functions)),
            command("CHANnel#:ACQuisition:MODE", lambda _call: None),
            command("CHANnel#:MEASurement:DATA?", lambda _call: self._values(), measured=True),
        )

    def _set_functions(self, call: Call) -> None:
        names = [name.upper() for name in call.arguments]
        if not names or set(names) - {"URMS", "IRMS", "P", "S"}:
            raise PowerError(f"functions {','.join(names)}")
        self.functions = names

    def _values(self) -> str:
        volts = self.number(self.volts)
        texts = {"URMS": volts, "IRMS": self.current(), "P": self.power(), "S": self.power()}
        return ",".join(texts[name] for name in self.functions)


class Pa1000(Persona):
    """Tektronix PA1000: `:DSR?` says 2 once for each new value, `:FRD?` gives what was selected."""

    identity = "TEKTRONIX,PA1000,VIRTUAL,2.002.006"

    def __init__(self, instrument: Instrument) -> None:
        self.selected: list[str] = ["VLT", "AMP", "WAT"]
        self.seen_s = -math.inf
        self.mask = "0"
        super().__init__(instrument)

    def tree(self) -> tuple[Command, ...]:
        """Selection and reading."""
        return (
            command("SELect:CLR", lambda _call: self.selected.clear()),
            *(command(f"SELect:{name}", self._select) for name in ("VLT", "AMP", "WAT")),
            command("DSE", self._set_mask),
            command("DSE?", lambda _call: self.mask),
            command("DSR?", lambda _call: self._status()),
            command("FRD?", lambda _call: self._values(), measured=True),
        )

    def _set_mask(self, call: Call) -> None:
        self.mask = call.argument(0)

    def _select(self, call: Call) -> None:
        self.selected.append(call.header.upper().rpartition(":")[2])

    def _status(self) -> str:
        updated_s = self.instrument.updated_s()
        new, self.seen_s = updated_s > self.seen_s, updated_s
        return "2" if new else "0"

    def _values(self) -> str:
        texts = {"VLT": self.number(self.volts), "AMP": self.current(), "WAT": self.power()}
        return ",".join(texts[name] for name in self.selected)


class Supply(Persona):
    """A power supply that knows volts and amperes."""

    identity = "VIRTUAL INSTRUMENTS,GENERIC SUPPLY,VIRTUAL,1.0"
    volts = 5.0

    def tree(self) -> tuple[Command, ...]:
        """Volts, amperes, and watts under the names of several makers."""
        value: dict[str, Callable[[Call], str]] = {
            "MEASure:VOLTage?": lambda _call: self.number(self.volts),
            "MEASure:CURRent?": lambda _call: self.current(),
        }
        return tuple(command(name, run, measured=True) for name, run in value.items())


class It9121(Supply):
    """ITECH IT9121."""

    identity = "ITECH Ltd.,IT9121,VIRTUAL,1.05"
    volts = 230.0

    def tree(self) -> tuple[Command, ...]:
        """Active power."""
        power = command("MEASure:POWer:ACTive?", lambda _call: self.power(), measured=True)
        return (*super().tree(), command("SYSTem:REMote", lambda _call: None), power)


class Spd3303x(Supply):
    """Siglent SPD3303X, which writes three decimals and no exponent."""

    identity = "Siglent Technologies,SPD3303X,VIRTUAL,1.01.01.02.05,V3.0"

    def tree(self) -> tuple[Command, ...]:
        """Power of a channel."""
        return (*super().tree(), command("MEASure:POWEr?", lambda _call: self.power(), measured=True))

    def number(self, value: float) -> str:
        """A value with three decimals."""
        return self.nan if math.isnan(value) else f"{value:.3f}"
