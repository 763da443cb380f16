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

    def shown(self) -> Snapshot:
        """What the display shows, or what a fault put there."""
        return self.forced or self.instrument.snapshot()

    def number(self, value: float) -> str:
        """A value as this instrument writes it."""
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


class Yokogawa(Persona):
    """WT300E family."""

    identity = "YOKOGAWA,WT310E,VIRTUAL,F1.04"
    nan = "NAN"
    overrange = "INF"
    range_v = 300.0

    def __init__(self, instrument: Instrument) -> None:
        self.items = ["U", "I", "P", "S", "Q", "LAMB", "PHI", "FU", "WH", "TIME"]
        self.count = 3
        self.header = False
        self.amperes = 20.0 if instrument.range_w is None else instrument.range_w / self.range_v
        super().__init__(instrument)

    def tree(self) -> tuple[Command, ...]:
        """Numeric items, ranges, interval and integrator."""
        meter = self.instrument
        return (
            command("COMMunicate:HEADer", self._set_header),
            command("COMMunicate:REMote", lambda _call: None),
            command("COMMunicate:WAIT", lambda _call: meter.wait_update()),
            command("NUMeric:FORMat", lambda _call: None),
            command("NUMeric:NORMal:NUMber", self._set_count),
            command("NUMeric:NORMal:NUMber?", lambda call: self._answer(call, str(self.count))),
            command("NUMeric:NORMal:ITEM#", self._set_item),
            command("NUMeric:NORMal:ITEM#?", lambda call: self._answer(call, self._item(call))),
            command("NUMeric:NORMal:VALue?", lambda call: self._answer(call, self._values()), measured=True),
            command("RATE", self._set_rate),
            command("RATE?", lambda call: self._answer(call, f"{meter.update_s:.1E}")),
            command("INPut:VOLTage:RANGe?", lambda call: self._answer(call, self.number(self.range_v))),
            command("INPut:CURRent:RANGe", self._set_range),
            command("INPut:CURRent:RANGe?", lambda call: self._answer(call, self.number(self.amperes))),
            command("INPut:CURRent:AUTO", self._set_auto),
            command("INTEGrate:RESet", lambda _call: meter.integrate_reset()),
            command("INTEGrate:STARt", lambda _call: meter.integrate_start()),
            command("INTEGrate:STOP", lambda _call: meter.integrate_stop()),
            command("INTEGrate:STATe?", lambda call: self._answer(call, "STAR" if meter.integrating else "STOP")),
        )

    def _answer(self, call: Call, text: str) -> str:
        return f":{call.header.rstrip('?').upper()} {text}" if self.header else text

    def _set_header(self, call: Call) -> None:
        self.header = call.argument(0).upper() in {"ON", "1"}

    def _set_count(self, call: Call) -> None:
        count = int(quantity(call.argument(0)))
        if not 1 <= count <= len(self.items):
            raise PowerError(f"{count} items")
        self.count = count

    def _set_item(self, call: Call) -> None:
        name = call.argument(0).upper()
        known = {"U", "I", "P", "S", "Q", "LAMB", "PHI", "FU", "WH", "TIME"}
        if name not in known or not 1 <= call.suffixes[0] <= len(self.items):
            raise PowerError(f"item {call.suffixes[0]} {name}")
        self.items[call.suffixes[0] - 1] = name

    def _item(self, call: Call) -> str:
        if not 1 <= call.suffixes[0] <= len(self.items):
            raise PowerError(f"item {call.suffixes[0]}")
        return f"{self.items[call.suffixes[0] - 1]},1"

    def _set_rate(self, call: Call) -> None:
        self.instrument.update_s = quantity(call.argument(0))

    def _set_range(self, call: Call) -> None:
        self.amperes = quantity(call.argument(0))
        self.instrument.range_w = self.amperes * self.range_v

    def _set_auto(self, call: Call) -> None:
        on = call.argument(0).upper() in {"ON", "1"}
        self.instrument.range_w = None if on else self.amperes * self.range_v

    def _values(self) -> str:
        shown = self.shown()
        plain = {"U": self.volts, "Q": 0.0, "LAMB": 1.0, "PHI": 0.0, "FU": 50.0}
        plain |= {"WH": shown.energy_wh, "TIME": shown.elapsed_s}
        texts = [
            self.current() if item == "I" else self.power() if item in {"P", "S"} else self.number(plain[item])
            for item in self.items[: self.count]
        ]
        return ",".join(texts)


class GwInstek(Yokogawa):
    """GPM-8213: the dialect of Yokogawa with CR LF."""

    identity = "GWInstek,GPM-8213,VIRTUAL,V1.01"
    terminator = b"\r\n"

    def tree(self) -> tuple[Command, ...]:
        """Yokogawa's commands, and its own word for the number of items."""
        return (
            *super().tree(),
            command("NUMeric:NORMal:NUMB", self._set_count),
            command("NUMeric:NORMal:NUMB?", lambda call: self._answer(call, str(self.count))),
        )


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
