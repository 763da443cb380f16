"""Which way to compute a block is the fastest here: measured when the block is loaded, and never at the cost of it.

All ways compute the same inputs in turn. Another way than the plain one is taken only where it is clearly faster and
its outputs are those of the plain one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from harness.models.weights import Floats
from harness.records.computing import Choice

LEAST_GAIN: Final = 1.05
"""Times as fast as the plain way another one must be: less could be chance."""
MOST_DIFFERENCE: Final = 2e-5
"""Largest difference, as a share of the largest output, that another order of additions may make in float32.

Measured with all four runtimes on the blocks of AlexNet and VGG16, whose sums have up to 25,088 terms: 5e-6 at most.
"""
_MOST_ROUNDS: Final = 9

Call = Callable[[], tuple[Floats, ...]]


@dataclass(frozen=True)
class Trial:
    """What was measured of one way.

    Attributes:
        times_s: of each round.
        differs: largest difference from the plain way's outputs, as a share of the largest; NaN counts as no answer.
    """

    times_s: tuple[float, ...]
    differs: float


def choose(
    plain: str, ways: Mapping[str, Call], *, budget_s: float, clock_s: Callable[[], float] = time.perf_counter
) -> Choice:
    """The fastest way whose outputs are right.

    Args:
        plain: the way that the others are compared with; one of `ways`.
        ways: name -> computes the same inputs once.
        budget_s: time after which no further round begins; one is made in any case.
        clock_s: reads the time that counts.
    """
    trials = try_ways(plain, ways, budget_s=budget_s, clock_s=clock_s)
    best, gain = plain, 1.0
    plain_s = median(trials[plain].times_s)
    for name, trial in trials.items():
        faster = plain_s / max(median(trial.times_s), 1e-12)
        if name != plain and faster >= LEAST_GAIN and faster > gain and trial.differs <= MOST_DIFFERENCE:
            best, gain = name, faster
    return Choice(best, gain, 0.0 if best == plain else trials[best].differs)


def try_ways(
    plain: str, ways: Mapping[str, Call], *, budget_s: float, clock_s: Callable[[], float] = time.perf_counter
) -> dict[str, Trial]:
    """Let every way compute in turn; each round begins with another one. Arguments are those of `choose`."""
    # The first call of each touches its memory, and is not timed.
    right = ways[plain]()
    differs = {name: 0.0 if name == plain else difference(call(), right) for name, call in ways.items()}
    names, times_s = list(ways), {name: list[float]() for name in ways}
    begun_s = clock_s()
    for number in range(_MOST_ROUNDS):
        if number and clock_s() - begun_s > budget_s:
            break
        first = number % len(names)
        for name in names[first:] + names[:first]:
            before_s = clock_s()
            ways[name]()
            times_s[name].append(clock_s() - before_s)
    return {name: Trial(tuple(times_s[name]), differs[name]) for name in names}


def difference(outputs: Sequence[Floats], right: Sequence[Floats]) -> float:
    """Largest absolute difference as a share of the largest right value; infinite where shapes do not fit, or NaN."""
    if len(outputs) != len(right) or any(one.shape != other.shape for one, other in zip(outputs, right, strict=True)):
        return float("inf")
    scale = max((float(np.max(np.abs(array), initial=0.0)) for array in right), default=0.0)
    largest = max(
        (float(np.max(np.abs(one - other), initial=0.0)) for one, other in zip(outputs, right, strict=True)),
        default=0.0,
    )
    if not np.isfinite(largest):
        return float("inf")
    return largest / scale if scale else (0.0 if largest == 0 else float("inf"))
