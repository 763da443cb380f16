"""The measuring part of the virtual analyzer: averages the load, integrates it, has a range and an error queue."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from power.errors import PowerError
from power.virtual.loads import Load

_QUEUE = 20
_OVERFLOW = (-350, "Queue overflow")
_NO_ERROR = (0, "No error")
_MICRO = 1_000_000
_S_PER_H = 3600.0


@dataclass(frozen=True)
class Snapshot:
    """What the display shows.

    Attributes:
        updated_s: when this value came, seconds since the start of the load.
        power_w: mean over the update interval before it, watts; NaN before the first interval is over.
        energy_wh: the integrator, watt-hours.
        elapsed_s: the integrator's own clock, seconds.
        overrange: the power is above the range.
        instead: text that stands in the power's place; "" for none.
    """

    updated_s: float
    power_w: float
    energy_wh: float
    elapsed_s: float
    overrange: bool
    instead: str = ""


class Instrument:
    """An analyzer without a dialect. Not thread-safe: the device that holds it has the lock.

    Args:
        load: what it is connected to.
        update_s: seconds between two values.
        noise_w: standard deviation of gaussian noise on each value, watts.
        seed: of the noise.
        digits: digits behind the point in the scientific notation of a value.
        range_w: power range, watts; None is automatic.
        began_s: the monotonic instant that is second 0 of the load; None is now.
        clock: the monotonic clock, seconds.

    Raises:
        PowerError: the update interval is not above 0.
    """

    def __init__(
        self,
        load: Load,
        *,
        update_s: float = 0.1,
        noise_w: float = 0.0,
        seed: int = 0,
        digits: int = 4,
        range_w: float | None = None,
        began_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.load = load
        self.digits = digits
        self.range_w = range_w
        self.clock = clock
        self.began_s = clock() if began_s is None else began_s
        self._noise_w = noise_w
        self._seed = seed
        self._anchor_s = 0.0
        self._update_s = 0.0
        self.update_s = update_s
        self._errors: deque[tuple[int, str]] = deque()
        self._integral_begin_s: float | None = None
        self._integral_j = 0.0
        self._integral_s = 0.0
        self._shown: Snapshot | None = None
        self._shown_for: tuple[object, ...] = ()

    @property
    def update_s(self) -> float:
        """Seconds between two values; a change begins a new interval now."""
        return self._update_s

    @update_s.setter
    def update_s(self, seconds: float) -> None:
        if not seconds > 0 or not math.isfinite(seconds):
            raise PowerError(f"an update interval of {seconds:g} s makes no sense", "give seconds above 0, as 0.1")
        self._anchor_s = self.now_s()
        self._update_s = seconds

    def now_s(self) -> float:
        """Seconds since the start of the load."""
        return self.clock() - self.began_s

    def updated_s(self) -> float:
        """The instant of the last update, seconds since the start of the load."""
        return self._anchor_s + math.floor((self.now_s() - self._anchor_s) / self._update_s) * self._update_s

    def wait_update(self) -> None:
        """Wait until the next update."""
        next_s = self.updated_s() + self._update_s
        while self.now_s() < next_s:
            time.sleep(max(0.0, next_s - self.now_s()))

    def average_w(self, begin_s: float, end_s: float) -> float:
        """Mean power between two instants of the load with this value's noise, watts; NaN before the start."""
        if begin_s < 0:
            return math.nan
        mean_w = self.load.energy_j(begin_s, end_s) / (end_s - begin_s)
        if self._noise_w:
            random = np.random.default_rng([self._seed, round(end_s * _MICRO)])
            mean_w += float(random.normal(0.0, self._noise_w))
        return mean_w

    def snapshot(self) -> Snapshot:
        """What the display shows now; it is worked out once for each update, and again where a setting changed."""
        updated_s = self.updated_s()
        settings = (updated_s, self._update_s, self.range_w, self._integral_begin_s, self._integral_j, self._integral_s)
        if self._shown is None or settings != self._shown_for:
            power_w = self.average_w(updated_s - self._update_s, updated_s)
            energy_j, elapsed_s = self._integral(updated_s)
            over = self.range_w is not None and abs(power_w) > self.range_w
            self._shown = Snapshot(updated_s, power_w, energy_j / _S_PER_H, elapsed_s, over)
            self._shown_for = settings
        return self._shown

    def energy_j(self, begin_mono_s: float, end_mono_s: float) -> float:
        """True joules between two instants of the monotonic clock, with no averaging and no noise."""
        return self.load.energy_j(begin_mono_s - self.began_s, end_mono_s - self.began_s)

    @property
    def integrating(self) -> bool:
        """Whether the integrator runs."""
        return self._integral_begin_s is not None

    def integrate_start(self) -> None:
        """Start the integrator, or let it go on."""
        if self._integral_begin_s is None:
            self._integral_begin_s = self.now_s()

    def integrate_stop(self) -> None:
        """Stop the integrator; it keeps its value."""
        now_s = self.now_s()
        if self._integral_begin_s is not None:
            self._integral_j, self._integral_s = self._integral(now_s)
            self._integral_begin_s = None

    def integrate_reset(self) -> None:
        """Back to nothing, stopped."""
        self._integral_begin_s = None
        self._integral_j = self._integral_s = 0.0

    def integrate_anew(self) -> None:
        """Begin again from nothing while it runs, as after a loss of supply."""
        running = self.integrating
        self.integrate_reset()
        if running:
            self.integrate_start()

    def complain(self, code: int, message: str) -> None:
        """Put an error into the queue; the last place tells of an overflow (SCPI-99, 21.8)."""
        if len(self._errors) < _QUEUE - 1:
            self._errors.append((code, message))
        elif len(self._errors) < _QUEUE:
            self._errors.append(_OVERFLOW)

    def next_error(self) -> tuple[int, str]:
        """Take the oldest error out of the queue; code 0 when there is none."""
        return self._errors.popleft() if self._errors else _NO_ERROR

    def clear_errors(self) -> None:
        """Empty the queue."""
        self._errors.clear()

    def _integral(self, until_s: float) -> tuple[float, float]:
        """Joules and seconds of the integrator: it moves with the updates, and never back."""
        begin_s = self._integral_begin_s
        if begin_s is None or until_s <= begin_s:
            return self._integral_j, self._integral_s
        return self._integral_j + self.load.energy_j(begin_s, until_s), self._integral_s + until_s - begin_s
