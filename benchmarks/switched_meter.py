"""A meter that is switched off and on again every two seconds of one run, so that both halves share its weather."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from typing import Any

from benchmarks.witness import WitnessedMeter
from harness.bench.energy import PowerOptions
from power.phases import PhaseName
from power.virtual_meter import Device

SEGMENT_S = 2.0
BLOCK = (True, False, False, True)
"""On, off, off, on: a drift that is straight over a block meets both states alike."""
_GUARD_S = 0.2  # frames under way as the meter is switched belong to neither state
_READING_S = 0.02


@dataclass(frozen=True)
class Switch:
    """From when on the meter was in a state.

    Attributes:
        at_s: seconds since the window began.
        on: whether the meter is read, and the analyzer runs.
    """

    at_s: float
    on: bool


@dataclass
class _Gate:
    """Lets the sampling thread through while the meter is on; holds it asleep while it is off."""

    read: Callable[[], Any]
    open: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> Any:
        """One reading, once the gate is open."""
        self.open.wait()
        return self.read()


class SwitchedMeter(WitnessedMeter):
    """Off means: the sampling thread sleeps, and the virtual analyzer's process is stopped (SIGSTOP).

    The energy of such a run is none; its frames are counted and compared as in every other.

    Attributes:
        switches: what happened in the window.
        off_s: seconds of it in which the meter was off.
    """

    def __init__(self, options: PowerOptions) -> None:
        super().__init__(options)
        self.switches: list[Switch] = []
        self.off_s = 0.0

    def begin(
        self, pids: Sequence[int], devices: int, device: Device, elsewhere: int = 0, load: str | None = None
    ) -> None:
        """Open the meter, see `RunMeter.begin`."""
        super().begin(pids, devices, device, elsewhere, load)
        meter: Any = self.sampling._meter  # type: ignore[attr-defined]  # noqa: SLF001  nobody else needs a gate
        self._gate = _Gate(meter.read)
        self._gate.open.set()
        meter.read = self._gate

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """Mark what happens inside the `with` block; the measured window is switched."""
        with super().phase(name):
            if name != "run":
                yield
                return
            over = threading.Event()
            switching = threading.Thread(target=self._switch, args=(time.monotonic(), over), daemon=True)
            switching.start()
            try:
                yield
            finally:
                over.set()
                switching.join()

    def _switch(self, began_s: float, over: threading.Event) -> None:
        due_s = began_s
        for on in cycle(BLOCK):
            self._turn(on=on)
            self.switches.append(Switch(time.monotonic() - began_s, on))
            due_s += SEGMENT_S
            if over.wait(max(0.0, due_s - time.monotonic())):
                break
        self._turn(on=True)
        ends = [*self.switches, Switch(time.monotonic() - began_s, on=True)]
        self.off_s = sum(after.at_s - before.at_s for before, after in pairwise(ends) if not before.on)

    def _turn(self, *, on: bool) -> None:
        if on:
            self._analyzer.resume()
            self._gate.open.set()
        else:
            self._gate.open.clear()
            time.sleep(_READING_S)  # a reading under way ends
            self._analyzer.suspend()


def block_ratios(switches: Sequence[Switch], verified_s: Sequence[float]) -> list[float]:
    """Rate with the meter on over the rate with it off, for each whole block of a run.

    Args:
        switches: in the order of time.
        verified_s: when each verified result was there, seconds since the window began.
    """
    segments = [
        (before.on, _rate(verified_s, before.at_s + _GUARD_S, after.at_s)) for before, after in pairwise(switches)
    ]
    found = []
    for start in range(0, len(segments) - len(BLOCK) + 1, len(BLOCK)):
        block = segments[start : start + len(BLOCK)]
        rates = {state: sum(rate for on, rate in block if on is state) for state in (True, False)}
        found.append(rates[True] / rates[False])
    return found


def _rate(verified_s: Sequence[float], begin_s: float, end_s: float) -> float:
    return sum(begin_s <= at_s < end_s for at_s in verified_s) / (end_s - begin_s)
