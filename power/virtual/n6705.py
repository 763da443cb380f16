"""The dialect of a Keysight N6705: blocks of averaged currents, big-endian float32."""

from __future__ import annotations

import itertools

import numpy as np

from power.errors import PowerError
from power.virtual.personas import Supply, quantity
from power.virtual.scpi import Call, Command, command

_LARGEST = 16384
_SHORTEST_S = 102.4e-6


class N6705(Supply):
    """Keysight N6705 with one module."""

    identity = "Keysight Technologies,N6705C,VIRTUAL,E.02.07"
    period_s = 0.001
    next_s: float | None = None
    format = "ASC"

    def tree(self) -> tuple[Command, ...]:
        """The external data log."""
        return (
            *super().tree(),
            command("MEASure:POWer?", lambda _call: self.power(), measured=True),
            command("FORMat", self._set_format),
            command("FORMat?", lambda _call: self.format),
            command("SENSe:ELOG:FUNCtion:CURRent", lambda _call: None),
            command("SENSe:ELOG:PERiod", self._set_period),
            command("TRIGger:ELOG:SOURce", lambda _call: None),
            command("INITiate:ELOG", self._begin),
            command("ABORt:ELOG", self._abort),
            command("FETCh:ELOG?", self._fetch, measured=True),
        )

    def _set_format(self, call: Call) -> None:
        name = call.argument(0).upper()
        if name != "REAL":
            raise PowerError(f"format {name}: the virtual one knows REAL")
        self.format = name

    def _set_period(self, call: Call) -> None:
        period_s = quantity(call.argument(0))
        if period_s < _SHORTEST_S:
            raise PowerError(f"a period of {period_s:g} s")
        self.period_s = period_s

    def _begin(self, _call: Call) -> None:
        self.next_s = self.instrument.now_s()

    def _abort(self, _call: Call) -> None:
        self.next_s = None

    def _fetch(self, call: Call) -> bytes:
        if self.next_s is None:
            raise PowerError("the log does not run")
        waiting = int((self.instrument.now_s() - self.next_s) / self.period_s)
        count = max(0, min(waiting, int(quantity(call.argument(0))), _LARGEST))
        edges = self.next_s + np.arange(count + 1) * self.period_s
        self.next_s = float(edges[-1])
        pairs = itertools.pairwise(edges)
        watts = np.array([self.instrument.average_w(float(a), float(b)) for a, b in pairs])
        if self.forced and self.forced.instead:
            watts[:] = float(self.forced.instead)
        data = (watts / self.volts).astype(">f4").tobytes()
        size = str(len(data))
        return f"#{len(size)}{size}".encode() + data
