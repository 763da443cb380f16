"""The virtual device: a persona, its faults, and the commands `SIM:...` that tell the truth about the load."""

from __future__ import annotations

import functools
import threading

from power.errors import PowerError
from power.virtual.farm_load import FarmLoad
from power.virtual.faults import Faults, Reply, spoil, spoil_snapshot
from power.virtual.instrument import Instrument, Snapshot
from power.virtual.loads import finite
from power.virtual.n6705 import N6705
from power.virtual.personas import Hmc8015, It9121, Pa1000, Persona, Spd3303x, Supply
from power.virtual.scpi import Call, Command, command, resolve
from power.virtual.yokogawa import GwInstek, Yokogawa

PERSONAS: dict[str, type[Persona]] = {
    "wt300e": Yokogawa,
    "gpm8213": GwInstek,
    "hmc8015": Hmc8015,
    "pa1000": Pa1000,
    "it9121": It9121,
    "spd3303x": Spd3303x,
    "n6705": N6705,
    "generic": Supply,
}
"""Name on the command line -> dialect."""
_LINES = 64  # kept as they were understood; a client asks the same few over and over


class Device:
    """Answers lines; thread-safe, one line at a time."""

    def __init__(self, persona: Persona, faults: Faults) -> None:
        self.persona = persona
        self.instrument: Instrument = persona.instrument
        self.faults = faults
        self._lock = threading.Lock()
        self._frozen: Snapshot | None = None
        commands = (*persona.commands, *self._truth())
        self._resolve = functools.lru_cache(_LINES)(lambda line: tuple(resolve(line, commands)))

    def answer(self, line: str) -> Reply:
        """Run a compound line.

        Args:
            line: without its terminator.

        Returns:
            What goes onto the wire; no messages where nothing was asked.
        """
        with self._lock:
            steps = self._resolve(line)
            measured = any(found and found.measured for found, _ in steps)
            names = self.faults.strike() if measured else self.faults.lasting()
            self._prepare(names, measured=measured)
            texts: list[bytes] = []
            for found, call in steps:
                text = self._run(found, call)
                if text is not None:
                    texts.append(text)
            if "replaced" in names and self.persona.identity.encode() in texts:
                texts = [b"ACME,OTHER METER,VIRTUAL,1.0"]
            return spoil(b";".join(texts), self.persona.terminator, names if measured else ()) if texts else Reply()

    def _prepare(self, names: tuple[str, ...], *, measured: bool) -> None:
        self._frozen = (self._frozen or self.instrument.snapshot()) if "frozen" in names else None
        if measured and "restarted" in names:
            self.instrument.integrate_anew()
        if measured and "range" in names:
            self.persona.turn_range()
        shown = self._frozen or self.instrument.snapshot()
        spoiled = spoil_snapshot(shown, names, self.persona.overrange) if measured else shown
        self.persona.forced = spoiled if self._frozen or spoiled != shown else None

    def _run(self, found: Command | None, call: Call) -> bytes | None:
        if found is None:
            self.instrument.complain(-113, "Undefined header")
            return None
        try:
            answer = found.run(call)
        except PowerError as error:
            self.instrument.complain(-224, f"Illegal parameter value; {error.message}".replace('"', "'"))
            return None
        return answer.encode() if isinstance(answer, str) else answer

    def _truth(self) -> tuple[Command, ...]:
        return (
            command("SIM:ENERGY?", lambda call: repr(self.instrument.energy_j(*_window(call)))),
            command("SIM:DYNAMIC?", self._dynamic),
            command("SIM:CPU?", lambda _call: repr(self._farm().used_s(self.instrument.now_s()))),
            command("SIM:PIDS", lambda call: self._farm().watch(int(finite(text, "pid")) for text in call.arguments)),
            command("SIM:PIDS?", lambda _call: ",".join(map(str, self._farm().pids))),
            command("SIM:CLOCK?", lambda _call: repr(self.instrument.clock())),
            command("SIM:FAULT", lambda call: self.faults.add(",".join(call.arguments))),
        )

    def _farm(self) -> FarmLoad:
        if not isinstance(self.instrument.load, FarmLoad):
            raise PowerError("the load is no farm")
        return self.instrument.load

    def _dynamic(self, call: Call) -> str:
        begin_s, end_s = (instant - self.instrument.began_s for instant in _window(call))
        return repr(self._farm().dynamic_j(begin_s, end_s))


def _window(call: Call) -> tuple[float, float]:
    return finite(call.argument(0), "begin"), finite(call.argument(1), "end")
