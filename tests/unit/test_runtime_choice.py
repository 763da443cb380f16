"""Choosing a way by measurement: on clocks and outputs of the test's own."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.computing import Choice
from harness.runtime.choice import LEAST_GAIN, MOST_DIFFERENCE, choose, difference, try_ways
from harness.runtime.own_threads import own_threads


class Clock:
    """Time that passes only where a way takes some."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: dict[str, int] = {}

    def way(self, name, takes_s, output):
        """A way that takes so long and gives that."""

        def call():
            self.calls[name] = self.calls.get(name, 0) + 1
            self.now_s += takes_s
            return (np.asarray(output, np.float32),)

        return call

    def read(self) -> float:
        """The time."""
        return self.now_s


def chosen(takes_s: dict, outputs: dict | None = None, budget_s: float = 10.0) -> Choice:
    """The choice among ways that take so long; outputs are [1, 2] where not given."""
    clock = Clock()
    ways = {name: clock.way(name, one, (outputs or {}).get(name, [1, 2])) for name, one in takes_s.items()}
    return choose("plain", ways, budget_s=budget_s, clock_s=clock.read)


def test_the_fastest_is_taken():
    """The fastest of three ways, with its gain over the plain one."""
    choice = chosen({"plain": 0.3, "slow": 0.4, "fast": 0.1, "medium": 0.2})
    assert choice.way == "fast"
    assert choice.gain == pytest.approx(3.0)
    assert choice.differs == 0.0


def test_a_small_gain_is_none():
    """Up to 5 % could be chance: the plain way stays. Control: a little more is taken."""
    assert chosen({"plain": 1.0, "other": 1.0 / (LEAST_GAIN - 0.01)}).way == "plain"
    assert chosen({"plain": 1.0, "other": 1.0 / (LEAST_GAIN + 0.01)}).way == "other"


@pytest.mark.parametrize("wrong", [[1, 2.001], [1, np.nan], [np.inf, 2], [1, 2, 3], [2, 1]])
def test_wrong_outputs_are_never_taken(wrong):
    """A way that is ten times as fast and answers otherwise is not taken; the right one beside it is (control)."""
    choice = chosen({"plain": 1.0, "wrong": 0.1, "right": 0.5}, {"wrong": wrong})
    assert choice.way == "right"


def test_another_order_of_additions_is_right():
    """A difference within the rounding of float32 is told, and no reason against a way."""
    choice = chosen({"plain": 1.0, "other": 0.5}, {"other": [1, 2 + 2e-6]})
    assert choice.way == "other"
    assert 0 < choice.differs <= MOST_DIFFERENCE


@given(st.lists(st.floats(1e-3, 10), min_size=2, max_size=4), st.floats(0.01, 5))
def test_measuring_ends(times_s, budget_s):
    """No more is spent than the budget and one round beyond it, untimed first calls aside; each way is timed alike."""
    clock = Clock()
    ways = {f"way {at}": clock.way(f"way {at}", one, [1]) for at, one in enumerate(times_s)}
    trials = try_ways("way 0", ways, budget_s=budget_s, clock_s=clock.read)
    spent_s = sum(sum(trial.times_s) for trial in trials.values())
    assert spent_s <= budget_s + sum(times_s) + 1e-6
    assert len({len(trial.times_s) for trial in trials.values()}) == 1
    assert all(
        trial.times_s == pytest.approx([one] * len(trial.times_s))
        for trial, one in zip(trials.values(), times_s, strict=True)
    )


def test_a_slow_moment_decides_nothing():
    """One round that took ten times as long changes no median, and so no choice."""
    clock = Clock()
    slow = iter([0.1, 5.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])

    def jittery():
        clock.now_s += next(slow)
        return (np.ones(1, np.float32),)

    choice = choose("plain", {"plain": clock.way("plain", 0.2, [1]), "other": jittery}, budget_s=60, clock_s=clock.read)
    assert choice.way == "other"


def test_difference_is_a_share_of_the_largest_output():
    """Relative to the largest right value; infinite where shapes differ, something is no number, or all right is 0."""
    right = (np.array([0, -4], np.float32),)
    assert difference((np.array([1, -4], np.float32),), right) == pytest.approx(0.25)
    assert difference((np.zeros(2, np.float32),), (np.zeros(2, np.float32),)) == 0.0
    for wrong in ((), (np.zeros(3, np.float32),), (np.array([0, np.nan], np.float32),)):
        assert difference(wrong, right) == float("inf")
    assert difference((np.ones(2, np.float32),), (np.zeros(2, np.float32),)) == float("inf")


def test_each_way_has_a_thread_of_its_own():
    """Every call of a way is on one thread, which neither another way nor the caller is on; errors come back."""
    with own_threads({"one": lambda _: threading.get_ident(), "other": lambda _: threading.get_ident()}) as apart:
        seen = {name: {compute(None) for _ in range(5)} for name, compute in apart.items()}
    assert all(len(threads) == 1 for threads in seen.values())
    assert len(set.union({threading.get_ident()}, *seen.values())) == 3
    with own_threads({"bad": lambda value: 1 / value}) as apart, pytest.raises(ZeroDivisionError):
        apart["bad"](0)
