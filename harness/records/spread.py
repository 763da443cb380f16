"""How well a figure of one system is known: a value, and its standard error on a logarithmic scale (pure).

Completions of neighbouring frames depend on each other: a burst of a farm's replicas, a cache that warms up, a queue
that drains. So not frames are resampled but batches of consecutive frames, as in steady-state simulation (method of
batch means: A. M. Law, Simulation Modeling and Analysis, chapter 9). The spread of the resampled figure is its
bootstrap standard error, corrected by B/(B-1) for B batches and used with Student's t (T. C. Hesterberg, What Teachers
Should Know About the Bootstrap, The American Statistician 69(4), 2015: percentile intervals are too narrow for few
batches). Where neighbouring batches still resemble each other the variance is widened by (1+r)/(1-r), with r their
lag-1 autocorrelation, at most 0.8, and never narrowed.

Repeated runs come first where there are any: what differs from run to run (placement, clocks, other load) shows in no
single run (T. Kalibera and R. Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.records.statistics import samples_needed

MOST_BATCHES, FEWEST_BATCHES = 20, 8
"""Batches of one run: more are too short to be independent, fewer say too little about their own spread."""
FRAMES_PER_BATCH = 2
"""The shortest batch."""
FRAMES_NEEDED = FEWEST_BATCHES * FRAMES_PER_BATCH + 1
"""Frames below which a run says nothing about its own spread."""
RESAMPLES, FEWEST_RESAMPLES = 1000, 200
"""Resamples; the standard error of a standard error from 200 is 5 % of it, and from 1000 it is 2 %."""
CORRELATION_CAP = 0.8
Z975 = 1.959963984540054
"""A k=2 uncertainty is taken as this many standard errors: the 95 % interval that it is meant to be."""

LARGEST_LOG_SE = 2.0
"""A figure that is known to no factor of e² is not known; what is beyond floats is not either."""

_QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")  # times of a forged record may be anything
_MOST_WORK = 100_000_000
_CHUNK = 4_000_000

Values = npt.NDArray[np.float64]
Statistic = Callable[[Values], Values]


@dataclass(frozen=True)
class Spread:
    """One figure of one run or of several.

    Attributes:
        value: in the metric's unit; over several runs their geometric mean.
        log_se: standard error of its natural logarithm, a relative standard error for small ones.
        freedom: degrees of freedom behind it; infinite where an uncertainty was stated.
        basis: what it rests on, in words.
    """

    value: float
    log_se: float
    freedom: float
    basis: str

    @property
    def usable(self) -> bool:
        """False where value or standard error are no numbers that say something."""
        return 0 < self.value < math.inf and self.log_se <= LARGEST_LOG_SE


@_QUIET
def speed(completions_s: Values, seed: int) -> Spread | None:
    """Verified frames per second of one run.

    The time to the first result, in which the pipeline fills, is part of the figure and is not resampled: it happens
    once in each run.

    Args:
        completions_s: when the verified results were there, seconds since the first send; shape (frames,).
        seed: of the resampling.

    Returns:
        Frames over the time of the last result; None for fewer than `FRAMES_NEEDED` frames.
    """
    done = np.sort(np.asarray(completions_s, dtype=np.float64))
    if len(done) < FRAMES_NEEDED or done[-1] <= 0:
        return None
    intervals = np.diff(done)
    parts = np.array_split(intervals, _batches(len(intervals)))
    sizes = np.array([len(part) for part in parts], dtype=np.float64)
    durations = np.array([part.sum() for part in parts])
    residuals = durations - sizes * intervals.mean()

    def again(counts: Values) -> Values:
        return np.asarray((1 + counts @ sizes) / np.maximum(done[0] + counts @ durations, np.finfo(float).tiny))

    return _spread(len(done) / float(done[-1]), again, residuals, seed, len(done))


@_QUIET
def mean(samples: Values, seed: int) -> Spread | None:
    """The mean of samples in the order in which they were taken.

    Args:
        samples: above 0; shape (frames,).
        seed: of the resampling.

    Returns:
        The mean; None for fewer than `FRAMES_NEEDED` samples, or where one is not above 0.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if len(samples) < FRAMES_NEEDED or samples.min() <= 0:
        return None
    parts = np.array_split(samples, _batches(len(samples)))
    sizes = np.array([len(part) for part in parts], dtype=np.float64)
    sums = np.array([part.sum() for part in parts])
    value = float(np.mean(samples))
    return _spread(value, lambda counts: (counts @ sums) / (counts @ sizes), sums - sizes * value, seed, len(samples))


@_QUIET
def percentile(samples: Values, percent: int, seed: int) -> Spread | None:
    """A percentile (nearest rank) of samples in the order in which they were taken.

    Args:
        samples: above 0; shape (frames,).
        percent: 50 for the median.
        seed: of the resampling.

    Returns:
        The percentile; None where the samples do not support it (`harness.records.statistics.samples_needed`), are
        fewer than `FRAMES_NEEDED`, or where one is not above 0.
    """
    samples = np.asarray(samples, dtype=np.float64)
    count = len(samples)
    if count < max(FRAMES_NEEDED, samples_needed(percent)) or samples.min() <= 0:
        return None
    batches = _batches(count)
    order = np.argsort(samples, kind="stable")
    ranked = samples[order]
    value = float(ranked[math.ceil(count * percent / 100) - 1])
    above = np.array([part.sum() for part in np.array_split((samples > value).astype(np.float64), batches)])
    # Row: a batch. Column: a rank. How many of the batch's samples are not above it; exact in float32 up to 16 million.
    reached = np.zeros((batches, count), dtype=np.float32)
    for row, part in zip(reached, np.array_split(np.arange(count), batches), strict=True):
        row[part] = 1.0
    reached = np.cumsum(reached[:, order], axis=1)

    def again(counts: Values) -> Values:
        found = []
        step = max(1, _CHUNK // count)
        for begin in range(0, len(counts), step):
            weights = counts[begin : begin + step].astype(np.float32) @ reached
            ranks = np.ceil(weights[:, -1].astype(np.float64) * percent / 100)
            found.append(ranked[np.argmax(weights >= ranks[:, None], axis=1)])
        return np.concatenate(found)

    return _spread(value, again, above - above.mean(), seed, count)


def stated(value: float, u: float) -> Spread | None:
    """A figure that brings its own uncertainty.

    Args:
        value: the figure.
        u: its uncertainty at k=2, in the same unit.

    Returns:
        The figure; None where it is not above 0, for which there is no ratio.
    """
    if value <= 0:
        return None
    return Spread(value, u / value / Z975, math.inf, "its uncertainty at k=2")


@_QUIET
def over_runs(runs: Sequence[Spread], *, common: bool = False) -> Spread:
    """The figure of a system from its repeated runs.

    Args:
        runs: one figure for each run, at least one.
        common: the standard errors are of a kind that repeating does not reduce, as those of one instrument.

    Returns:
        The geometric mean. Its standard error is that of the runs' own scatter, which holds what each run knows of
        itself; with `common`, both together.
    """
    if len(runs) == 1:
        return runs[0]
    logs = np.log([run.value for run in runs])
    count = len(runs)
    value, between = float(np.exp(logs.mean())), float(np.var(logs, ddof=1)) / count
    if not common:
        return Spread(value, math.sqrt(between), count - 1, f"{count} runs")
    total = between + math.fsum(run.log_se**2 for run in runs) / count
    freedom = total**2 / (between**2 / (count - 1)) if between > 0 else math.inf
    return Spread(value, math.sqrt(total), freedom, f"{count} runs")


def _batches(count: int) -> int:
    return min(MOST_BATCHES, count // FRAMES_PER_BATCH)


def _spread(value: float, again: Statistic, residuals: Values, seed: int, count: int) -> Spread:
    batches = len(residuals)
    resamples = min(RESAMPLES, max(FEWEST_RESAMPLES, _MOST_WORK // count))
    random = np.random.default_rng(seed)
    counts = random.multinomial(batches, np.full(batches, 1 / batches), size=resamples).astype(np.float64)
    variance = float(np.var(np.log(again(counts)), ddof=1)) * batches / (batches - 1)
    log_se = math.sqrt(variance * _widening(residuals))
    return Spread(value, log_se, batches - 1, f"{batches} batches of {count // batches} frames")


def _widening(residuals: Values) -> float:
    """What the variance of a mean grows by when neighbours resemble each other; at least 1."""
    square = float(residuals @ residuals)
    if square <= 0:
        return 1.0
    lag1 = min(max(float(residuals[:-1] @ residuals[1:]) / square, 0.0), CORRELATION_CAP)
    return (1 + lag1) / (1 - lag1)
