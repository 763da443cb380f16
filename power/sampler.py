"""Reads a meter at a steady pace in a thread of its own, and keeps every sample with what is known of it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from power.errors import LinkError, ReplyError
from power.meter import Meter, MeterInfo, Reading
from power.recording import to_ns, to_s
from power.trace import FLAGS, Trace

MAX_RATE_HZ: Final = 50.0
"""A thread shares the interpreter with the benchmark: above this its round trips grow to 10 ms (measured)."""
DENSE: Final = 2.0
"""Readings per update where nobody names a rate: an edge between phases is found to half an update."""
SPARSE: Final = 1.1
"""The same inside a run: each update is still read, with a tenth in hand for clocks that differ."""
_MAX_SAMPLES: Final = 2_000_000
_FROZEN_UPDATES: Final = 100
"""A live meter moves in its last digit long before so many updates."""
_FROZEN_CLOCK_S: Final = 2.5  # an integrator's clock counts whole seconds on some meters
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_RANGING_S: Final = 5.0  # long enough to connect again meanwhile


@dataclass(frozen=True)
class _Sample:
    at_s: float
    utc_s: float
    power_w: float
    rtt_s: float
    flag: str
    asked_s: float
    energy_wh: float
    elapsed_s: float


class Sampler:
    """Samples a meter until it is stopped; a context manager.

    A sample's time is the middle of its query, less half of the update interval where the meter averages: that is
    the middle of what the reading is the mean of (power figures: 1.8 % of error without it, 0.6 % with it).

    Args:
        meter: opened on entry, closed on exit; nobody else may use it meanwhile.
        rate_hz: readings per second; None is two per update of the meter, and 1.1 while `sparse` is set.
        limit_hz: never more than this; `power.sampling` goes beyond `MAX_RATE_HZ`.

    Attributes:
        sparse: ask no more often than needed: a reading costs a run on the same cores more than its own CPU time.

    Raises:
        LinkError: the meter cannot be opened.
    """

    def __init__(self, meter: Meter, rate_hz: float | None = None, *, limit_hz: float = MAX_RATE_HZ) -> None:
        self._meter = meter
        self._rate_hz = rate_hz
        self._limit_hz = limit_hz
        self.sparse = False
        self._ranging: Future[None] | None = None
        self._samples: list[_Sample] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)
        self._info: MeterInfo | None = None
        self._failure = ""
        self.cpu_s = 0.0
        """CPU seconds of the sampling thread."""
        self.lost = 0
        """Samples beyond the bound of memory, which were not kept."""

    def __enter__(self) -> Self:
        self._meter.open()
        self._info = self._meter.info
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def info(self) -> MeterInfo:
        """What is sampled, with the range as it is now.

        Raises:
            LinkError: sampling never began.
        """
        if self._info is None:
            raise LinkError("the meter was never open")
        return self._info

    @property
    def failure(self) -> str:
        """Why sampling ended by itself; "" while it goes on."""
        return self._failure

    def stop(self) -> None:
        """End sampling and let go of the meter; does nothing the second time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._meter.close()

    def require_reading(self, within_s: float) -> None:
        """Wait for the first good reading.

        Args:
            within_s: for so many seconds.

        Raises:
            LinkError: none came; the message names what came instead.
        """
        give_up_s = time.monotonic() + within_s
        while time.monotonic() < give_up_s and not self._failure:
            with self._lock:
                flags = [sample.flag for sample in self._samples]
            if "" in flags:
                return
            time.sleep(_PAUSE_S)
        what = f"{flags[-1]!r}: {FLAGS[flags[-1]]}" if flags else "no reply at all"
        raise LinkError(
            f"{self.info.resource} gives no reading within {within_s:g} s ({what})",
            "`iot-farm power probe` shows the dialogue",
        )

    def fix_range(self) -> None:
        """Have the sampling thread hold the meter's range.

        Raises:
            PowerError: the meter did not take it, or is not there.
        """
        self._ranging = Future()
        if not self._thread.is_alive():
            raise LinkError(self._failure or "the meter is not open")
        try:
            self._ranging.result(_RANGING_S)
        except FutureTimeoutError:
            raise LinkError(f"the meter did not hold its range within {_RANGING_S:g} s") from None
        finally:
            self._ranging = None

    def trace(self) -> Trace:
        """All samples so far, in the order of their time.

        Raises:
            LinkError: sampling never began.
        """
        info = self.info
        with self._lock:
            samples = list(self._samples)
        samples.sort(key=lambda sample: sample.at_s)

        def column(values: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return np.array(values, dtype=np.float64)

        return Trace(
            meter=info,
            at_s=column([to_s(to_ns(sample.at_s)) for sample in samples]),  # as a file will hold it
            utc_s=column([sample.utc_s for sample in samples]),
            power_w=column([sample.power_w for sample in samples]),
            rtt_s=column([sample.rtt_s for sample in samples]),
            flags=tuple(sample.flag for sample in samples),
            energy_wh=column([sample.energy_wh for sample in samples]),
            elapsed_s=column([sample.elapsed_s for sample in samples]),
        )

    def _run(self) -> None:
        try:
            self._sample()
        except Exception as error:  # a thread that dies of a bug must not look like a quiet meter
            self._failure = f"sampling broke off: {error!r}"
            raise
        finally:
            self.cpu_s = time.thread_time()

    def _sample(self) -> None:
        info = self.info
        shift_s = info.update_s / 2 if info.kind == "average" else 0.0
        due_s = time.monotonic()
        life = _Life(info.update_s)
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            rate_hz = self._rate_hz or (SPARSE if self.sparse else DENSE) / info.update_s
            due_s = max(due_s + 1 / min(rate_hz, self._limit_hz), time.monotonic())
            self._fix_range_if_asked()
            begun_s = time.monotonic()
            flag, reading, lost = "", None, False
            try:
                reading = self._meter.read()
            except ReplyError as error:
                flag = error.cause
            except LinkError as error:
                flag, lost = error.cause, True
            ended_s = time.monotonic()
            if reading is not None and reading.asked_s is not None:
                begun_s = reading.asked_s  # not the wait for a new reading before it
            if reading is not None and not life.shown(reading, ended_s):
                flag = "frozen"
                self._take_back(life.since_s)
            self._keep(begun_s, ended_s, shift_s, flag, reading)
            if lost and not self._recover():
                break

    def _fix_range_if_asked(self) -> None:
        asked = self._ranging
        if asked is None or asked.done():
            return
        try:
            self._meter.fix_range()
        except (ReplyError, LinkError) as error:
            asked.set_exception(error)
        else:
            self._info = self._meter.info
            asked.set_result(None)

    def _keep(self, begun_s: float, ended_s: float, shift_s: float, flag: str, reading: Reading | None) -> None:
        nothing = float("nan")
        middle_s = (begun_s + ended_s) / 2 - shift_s
        good = reading is not None and not flag
        sample = _Sample(
            at_s=middle_s,
            utc_s=time.time() - (time.monotonic() - middle_s),
            power_w=reading.power_w if reading is not None and good else nothing,
            rtt_s=ended_s - begun_s,
            flag=flag,
            asked_s=begun_s,
            energy_wh=_or_nan(reading.energy_wh if reading is not None and good else None),
            elapsed_s=_or_nan(reading.elapsed_s if reading is not None and good else None),
        )
        with self._lock:
            if len(self._samples) < _MAX_SAMPLES:
                self._samples.append(sample)
            else:
                self.lost += 1

    def _take_back(self, since_s: float) -> None:
        """Flag the samples that repeated an old reading before it was clear that the meter is frozen."""
        nothing = float("nan")
        with self._lock:
            for at in range(len(self._samples) - 1, -1, -1):
                sample = self._samples[at]
                if sample.asked_s <= since_s or sample.flag == "frozen":
                    break
                if not sample.flag:
                    self._samples[at] = replace(
                        sample, flag="frozen", power_w=nothing, energy_wh=nothing, elapsed_s=nothing
                    )

    def _recover(self) -> bool:
        """Connect again, however long it takes; False when it makes no sense or sampling is to end."""
        pause_s = _PAUSE_S
        while not self._stop.wait(pause_s):
            begun_s = time.monotonic()
            try:
                self._meter.recover()
            except (LinkError, ReplyError) as error:
                self._keep(begun_s, time.monotonic(), 0.0, error.cause, None)
                if error.cause == "replaced":
                    self._failure = error.message
                    return False
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._info = self._meter.info
                return True
        return False


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


class _Life:
    """Tells a live meter from one that repeats its last reading.

    A load may stand still to the last digit. So where the meter has an integrator its clock decides, and elsewhere
    only a very long repetition does.
    """

    def __init__(self, update_s: float) -> None:
        self._longest_s = _FROZEN_UPDATES * update_s
        self._last: Reading | None = None
        self.since_s = 0.0

    def shown(self, reading: Reading, now_s: float) -> bool:
        """Whether this reading, come at `now_s`, may be that of a live meter."""
        last, self._last = self._last, reading
        has_clock = reading.elapsed_s is not None
        moved = last is None or (reading.elapsed_s != last.elapsed_s if has_clock else reading.power_w != last.power_w)
        if moved:
            self.since_s = now_s
        longest_s = max(_FROZEN_CLOCK_S, self._longest_s / 20) if has_clock else self._longest_s
        return now_s - self.since_s <= longest_s
