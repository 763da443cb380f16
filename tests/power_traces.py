"""Traces for the tests: loads with a closed-form energy, read by a meter that averages over its update interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from power.meter import MeterInfo
from power.phases import Phase
from power.trace import Trace

Array = npt.NDArray[np.float64]

METER = MeterInfo(
    name="Test meter",
    resource="none",
    identity="TEST,METER,1,1",
    profile="test",
    profile_sha256="00",
    scope="wall",
    measured=True,
    kind="average",
    update_s=0.1,
    reading_pct=0.1,
    range_pct=0.05,
    range_w=30.0,
    range_mode="fixed",
)


@dataclass(frozen=True)
class Load:
    """A waveform by its antiderivative: joules from 0 to each instant."""

    name: str
    energy_j: Callable[[Array], Array]


def _square(at_s: Array, period_s: float, duty: float, low_w: float, high_w: float) -> Array:
    whole, part = np.divmod(at_s, period_s)
    busy_s = whole * period_s * duty + np.minimum(part, period_s * duty)
    return low_w * at_s + (high_w - low_w) * busy_s


LOADS = (
    Load("constant", lambda at_s: 12.5 * at_s),
    Load("sine", lambda at_s: 10 * at_s + 3 * (1 - np.cos(math.tau * 1.7 * at_s)) / (math.tau * 1.7)),
    Load("square", lambda at_s: _square(at_s, 1 / 0.7, 0.5, 8.0, 12.0)),
    Load("bursts", lambda at_s: _square(at_s, 0.18, 0.6, 11.8, 18.0)),
)


def make(at_s: Array, power_w: Array, flags: tuple[str, ...] | None = None, meter: MeterInfo = METER) -> Trace:
    """A trace of such samples; times are rounded to nanoseconds as a sampler does."""
    count = len(at_s)
    missing = np.full(count, np.nan)
    return Trace(
        meter=meter,
        at_s=np.array([round(float(at) * 1e9) / 10**9 for at in at_s], dtype=np.float64),
        utc_s=1.7e9 + np.asarray(at_s, dtype=np.float64),
        power_w=np.asarray(power_w, dtype=np.float64),
        rtt_s=np.full(count, 0.000123),
        flags=("",) * count if flags is None else flags,
        energy_wh=missing,
        elapsed_s=missing,
    )


def averaged(energy_j: Callable[[Array], Array], begin_s: float, end_s: float, update_s: float = 0.1) -> Trace:
    """What a meter reads that averages a load over each update; the stamp is the middle of the interval."""
    ends_s = begin_s + update_s * np.arange(1, int((end_s - begin_s) / update_s) + 1)
    return make(ends_s - update_s / 2, (energy_j(ends_s) - energy_j(ends_s - update_s)) / update_s)


def polled(energy_j: Callable[[Array], Array], begin_s: float, end_s: float, update_s: float = 0.1) -> Trace:
    """The same meter asked twice per update out of step: each reply holds the last finished update."""
    asked_s = np.arange(begin_s + 2 * update_s + 0.37 * begin_s, end_s, update_s / 2)
    ends_s = begin_s + update_s * np.floor((asked_s - begin_s) / update_s)
    return make(asked_s - update_s / 2, (energy_j(ends_s) - energy_j(ends_s - update_s)) / update_s)


IDLE_W, RUN_W = 11.8, 18.0
PHASES = (Phase("idle before", 1.0, 31.0), Phase("run", 32.0, 92.0), Phase("idle after", 93.0, 123.0))


def measurement(noise_w: float = 0.02, drift_w_per_s: float = 0.0, seed: int = 1, idle_w: float = IDLE_W) -> Trace:
    """Idle, run, idle at 10 Hz with white noise and a drift of the idle power; true dynamic energy (18 - 11.8) x 60."""
    at_s = 0.05 + 0.1 * np.arange(1240)
    watts = np.where((at_s >= 31.5) & (at_s < 92.5), RUN_W, idle_w) + drift_w_per_s * at_s
    return make(at_s, watts + np.random.default_rng(seed).normal(0, noise_w, len(at_s)))
