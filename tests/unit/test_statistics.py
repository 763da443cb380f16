"""Percentiles and the sample sizes that support them, against computations made another way."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.statistics import PERCENTILES, percentile, samples_needed, supported_percentiles

finite = st.floats(-1e9, 1e9)


@given(st.lists(finite, min_size=1, max_size=300), st.integers(1, 100))
def test_percentiles_equal_those_of_numpy(samples: list[float], percent: int) -> None:
    """The nearest rank is numpy's `inverted_cdf`, for any samples and any whole percent."""
    exact = np.percentile(samples, percent, method="inverted_cdf")
    assert percentile(samples, percent) == exact
    assert percentile(samples, percent) in samples


@given(st.lists(finite, min_size=1, max_size=300), st.integers(1, 99))
def test_a_percentile_is_the_smallest_that_enough_samples_do_not_exceed(samples: list[float], percent: int) -> None:
    """At least that share of the samples is at or below it, and less than that share is below it."""
    found = percentile(samples, percent)
    at_or_below = sum(sample <= found for sample in samples)
    below = sum(sample < found for sample in samples)
    assert 100 * at_or_below >= percent * len(samples)
    assert 100 * below < percent * len(samples)


def test_percentiles_of_a_known_row() -> None:
    """1 to 100: the percentile is the percent; interpolation, the control, gives something else."""
    row = list(range(100, 0, -1))
    assert [percentile(row, percent) for percent in PERCENTILES] == [50, 90, 95, 99]
    assert float(np.percentile(row, 90)) != 90
    with pytest.raises(ValueError, match="samples"):
        percentile([], 50)


def chance_of_at_most(over: int, count: int, tail: Fraction) -> Fraction:
    """Probability of at most `over` events in `count` trials, one trial after the other, in exact fractions."""
    chances = [Fraction(1)] + [Fraction(0)] * over
    for _ in range(count):
        chances = [
            chances[events] * (1 - tail) + (chances[events - 1] * tail if events else 0) for events in range(over + 1)
        ]
    return sum(chances, Fraction(0))


@pytest.mark.parametrize(("percent", "needed"), [(50, 11), (90, 64), (95, 130), (99, 662)])
def test_samples_that_a_percentile_needs(percent: int, needed: int) -> None:
    """64 for p90 and 662 for p99 are MLPerf's own numbers; one sample less would let too many bad systems pass."""
    tail = 1 - Fraction(percent, 100)
    assert samples_needed(percent) == needed
    assert chance_of_at_most(1, needed, tail) <= Fraction(1, 100)
    assert chance_of_at_most(1, needed - 1, tail) > Fraction(1, 100)


@pytest.mark.parametrize(("over", "needed"), [(0, 44), (1, 64), (5, 127)])
def test_samples_needed_when_more_are_allowed_over(over: int, needed: int) -> None:
    """The published table of early stopping for p90, with no, one and five samples over it."""
    assert samples_needed(90, over) == needed
    assert chance_of_at_most(over, needed, Fraction(1, 10)) <= Fraction(1, 100)
    assert chance_of_at_most(over, needed - 1, Fraction(1, 10)) > Fraction(1, 100)


@pytest.mark.parametrize(
    ("count", "supported"),
    [
        (0, ()),
        (5, ()),
        (10, ()),
        (11, (50,)),
        (63, (50,)),
        (64, (50, 90)),
        (129, (50, 90)),
        (130, (50, 90, 95)),
        (661, (50, 90, 95)),
        (662, PERCENTILES),
    ],
)
def test_only_supported_percentiles_are_named(count: int, supported: tuple[int, ...]) -> None:
    """The 5 or 10 frames of the paper's commands support no percentile at all."""
    assert supported_percentiles(count) == supported
