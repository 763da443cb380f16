"""The dialect of Yokogawa's WT300E, and of the GW Instek that follows it."""

from __future__ import annotations

import math
from dataclasses import replace

from power.errors import PowerError
from power.virtual.instrument import Instrument, Snapshot
from power.virtual.personas import Persona, quantity, switch
from power.virtual.ranges import Ranges
from power.virtual.scpi import Call, Command, command


class Yokogawa(Persona):
    """WT300E family."""

    identity = "YOKOGAWA,WT310E,VIRTUAL,F1.04"
    nan = "NAN"
    overrange = "INF"

    def __init__(self, instrument: Instrument) -> None:
        self.items = ["U", "I", "P", "S", "Q", "LAMB", "PHI", "FU", "WH", "TIME"]
        self.count = 3
        self.header = False
        self.ranges = Ranges(instrument.range_w)
        self.seen_s = -math.inf
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
            command("INPut:VOLTage:RANGe", self._set_volts),
            command("INPut:VOLTage:RANGe?", lambda call: self._answer(call, self.number(self._present().volts))),
            command("INPut:VOLTage:AUTO", self._set_volts_auto),
            command("INPut:VOLTage:AUTO?", lambda call: self._answer(call, str(int(self.ranges.volts_auto)))),
            command("INPut:CURRent:RANGe", self._set_amperes),
            command("INPut:CURRent:RANGe?", lambda call: self._answer(call, self.number(self._present().amperes))),
            command("INPut:CURRent:AUTO", self._set_amperes_auto),
            command("INPut:CURRent:AUTO?", lambda call: self._answer(call, str(int(self.ranges.amperes_auto)))),
            command("STATus:EESR?", lambda call: self._answer(call, str(self._events()))),
            command("INTEGrate:RESet", lambda _call: meter.integrate_reset()),
            command("INTEGrate:STARt", lambda _call: meter.integrate_start()),
            command("INTEGrate:STOP", lambda _call: meter.integrate_stop()),
            command("INTEGrate:STATe?", lambda call: self._answer(call, "STAR" if meter.integrating else "STOP")),
        )

    def _answer(self, call: Call, text: str) -> str:
        return f":{call.header.rstrip('?').upper()} {text}" if self.header else text

    def _set_header(self, call: Call) -> None:
        self.header = switch(call.argument(0))

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

    def turn_range(self) -> None:
        """The next larger current range, held."""
        self._present().turn()
        self._apply()

    def shown(self) -> Snapshot:
        """As in `Persona`; above the range too where the voltage is."""
        shown = super().shown()
        return replace(shown, overrange=True) if self._present().volts < self.volts else shown

    def _present(self) -> Ranges:
        """The ranges for what is there now."""
        power_w = super().shown().power_w
        self.ranges.follow(self.volts, 0.0 if math.isnan(power_w) else power_w)
        return self.ranges

    def _set_volts(self, call: Call) -> None:
        self.ranges.set_volts(quantity(call.argument(0)))
        self._apply()

    def _set_amperes(self, call: Call) -> None:
        self.ranges.set_amperes(quantity(call.argument(0)))
        self._apply()

    def _set_volts_auto(self, call: Call) -> None:
        self._present().volts_auto = switch(call.argument(0))
        self._apply()

    def _set_amperes_auto(self, call: Call) -> None:
        self._present().amperes_auto = switch(call.argument(0))
        self._apply()

    def _apply(self) -> None:
        self.instrument.range_w = self._present().limit_w

    def _events(self) -> int:
        """What happened since the last question: bit 0 a new value, bit 6 a value above the range."""
        updated_s = self.instrument.updated_s()
        new, self.seen_s = updated_s > self.seen_s, updated_s
        return int(new) | (1 << 6 if self.shown().overrange else 0)

    def _values(self) -> str:
        shown = self.shown()
        plain = {
            "U": math.inf if self._present().volts < self.volts else self.volts,
            "Q": 0.0,
            "LAMB": 1.0,
            "PHI": 0.0,
            "FU": 50.0,
        }
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
