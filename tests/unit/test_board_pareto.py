"""The Pareto frontier against the definition, point by point."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.board.pareto import frontier
from harness.metrics import Better

WAYS = (Better.HIGHER, Better.LOWER)
FIGURE = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True))
POINTS = st.lists(st.tuples(FIGURE, FIGURE), max_size=40)


def at_least(one: float, two: float, better: Better) -> bool:
    """Whether a figure is as good as another."""
    return one >= two if better is Better.HIGHER else one <= two


def naive(points: list[tuple[float, float]], better_x: Better, better_y: Better) -> list[bool]:
    """The definition: nobody is as good in both and another point."""
    known = [point for point in points if all(map(math.isfinite, point))]

    def beaten(point: tuple[float, float]) -> bool:
        return any(
            at_least(other[0], point[0], better_x) and at_least(other[1], point[1], better_y) and other != point
            for other in known
        )

    return [all(map(math.isfinite, point)) and not beaten(point) for point in points]


@given(POINTS, st.sampled_from(WAYS), st.sampled_from(WAYS))
@example([(0.0, 1.0), (-0.0, 1.0)], Better.HIGHER, Better.LOWER)
@example([], Better.HIGHER, Better.LOWER)
def test_the_frontier_is_what_its_definition_says(
    points: list[tuple[float, float]], better_x: Better, better_y: Better
) -> None:
    """Proves that sorting gives the same frontier as comparing everyone with everyone, ties and gaps included."""
    x, y = [point[0] for point in points], [point[1] for point in points]
    assert frontier(x, y, better_x, better_y).tolist() == naive(points, better_x, better_y)


def test_the_comparison_would_see_a_wrong_frontier() -> None:
    """Proves that the definition tells a beaten point: the other direction gives another frontier."""
    points = [(1.0, 1.0), (2.0, 2.0), (3.0, 1.5)]
    x, y = [1.0, 2.0, 3.0], [1.0, 2.0, 1.5]
    assert frontier(x, y, Better.HIGHER, Better.HIGHER).tolist() == [False, True, True]
    assert naive(points, Better.HIGHER, Better.LOWER) == [True, False, True]


def test_equal_points_stand_together_and_missing_ones_never() -> None:
    """Proves that ties are all kept, and that a missing figure beats nobody."""
    x = [5.0, 5.0, 5.0, math.nan, math.inf, 4.0]
    y = [1.0, 1.0, 2.0, 0.0, 0.0, math.nan]
    assert frontier(x, y, Better.HIGHER, Better.LOWER).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("x", "y", "better", "words"),
    [
        ([1.0], [1.0, 2.0], Better.LOWER, "figures against"),
        ([[1.0]], [[1.0]], Better.LOWER, "no list"),
        ([1.0], [1.0], Better.NEITHER, "no frontier"),
    ],
)
def test_what_has_no_frontier_is_refused(x: list, y: list, better: Better, words: str) -> None:
    """Proves that shapes that differ and metrics without a better way are errors, not empty frontiers."""
    with pytest.raises(ValueError, match=words):
        frontier(x, y, better, better)


def test_a_million_points() -> None:
    """Proves that a large set gives the same frontier as its best points alone."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=1_000_000), random.normal(size=1_000_000)
    kept = frontier(x, y, Better.HIGHER, Better.LOWER)
    assert 1 < kept.sum() < 200
    again = frontier(x[kept], y[kept], Better.HIGHER, Better.LOWER)
    assert again.all(), "no point of a frontier beats another"
    for at in np.flatnonzero(~kept)[:200]:
        assert ((x[kept] >= x[at]) & (y[kept] <= y[at])).any(), "each other point is beaten by one of them"
