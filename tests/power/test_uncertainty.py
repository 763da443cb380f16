"""The budget of uncertainty against the figures of a worked case."""

import dataclasses
import math

import numpy as np
import pytest
from power_traces import METER, make

from power.integral import integrate
from power.uncertainty import Inputs, accuracy_limit_j, budgets, combine

CASE = Inputs(
    run_s=5.4, run_w=18.0, spread_w=3.0, spacing_s=0.05, gap_s=0.0, idle_w=11.8, u_idle_w=0.01, one_range=True
)
FRAMES = 30
WIDE = dataclasses.replace(METER, range_w=150.0)


def test_total_of_the_worked_case() -> None:
    """0.1 % of reading and 0.05 % of 150 W: 3.240 J +- 0.016 J a frame, less on a range of 30 W."""
    total = budgets(WIDE, CASE, 2.0).total
    instrument = combine({term: total[term] for term in ("reading", "range")})
    assert instrument / FRAMES == pytest.approx(0.016, abs=0.0005)
    assert combine(budgets(METER, CASE, 2.0).total) < combine(total), "control"


def test_range_cancels_in_the_difference() -> None:
    """With one range the dynamic energy has no range term; a changed range has two independent offsets."""
    fixed = budgets(WIDE, CASE, 2.0).dynamic
    changed = budgets(WIDE, dataclasses.replace(CASE, one_range=False), 2.0).dynamic
    assert fixed["range"] == 0.0
    assert changed["range"] == pytest.approx(math.sqrt(2) * budgets(WIDE, CASE, 2.0).total["range"])
    both, one = ({term: budget[term] for term in ("reading", "range", "baseline")} for budget in (changed, fixed))
    assert combine(both) / FRAMES == pytest.approx(0.024, abs=0.004)
    assert combine(one) < 0.1 * combine(both)


def test_reading_acts_on_the_difference() -> None:
    """The gain error of the dynamic energy is that of the difference, not of both powers."""
    terms = budgets(WIDE, CASE, 2.0)
    assert terms.dynamic["reading"] == pytest.approx(terms.total["reading"] * 6.2 / 18.0)
    assert terms.dynamic["reading"] != pytest.approx(terms.total["reading"]), "control"


@pytest.mark.parametrize("polls", [0.5, 0.9, 1.0, 2.0, 2.1, 3.3, 10.0])
def test_edges_hold_the_smear_of_a_step(polls: float) -> None:
    """A step on both markers, read from a display at any phase, comes out low by less than the edge limit says.

    Control: half an update, which the mean of an interval alone would need, is exceeded.
    """
    rng, update_s, begin_s, run_s = np.random.default_rng(3), 0.1, 2.0, 8.0
    worst_s = 0.0
    for phase_s, first_s in zip(rng.uniform(0, update_s, 300), rng.uniform(0, update_s, 300), strict=True):
        asked_s = np.arange(first_s, begin_s + run_s + 2, update_s / polls)
        updated_s = phase_s + np.floor((asked_s - phase_s) / update_s) * update_s
        busy_s = [np.clip(end_s - begin_s, 0, run_s) for end_s in (updated_s, updated_s - update_s)]
        trace = make(asked_s - update_s / 2, 1 + (busy_s[0] - busy_s[1]) / update_s)
        found_j = integrate(trace, begin_s, begin_s + run_s).energy_j
        worst_s = max(worst_s, abs(found_j - 2 * run_s))
    inputs = dataclasses.replace(CASE, run_s=run_s, run_w=2.0, idle_w=1.0, spacing_s=update_s / polls)
    limit_j = budgets(METER, inputs, math.sqrt(3)).dynamic["edges"]
    assert worst_s <= limit_j
    assert worst_s > 0.5 * update_s


def test_terms_by_hand() -> None:
    """Baseline, edges and gaps are the products that they are said to be."""
    terms = budgets(WIDE, dataclasses.replace(CASE, gap_s=0.5), 2.0).dynamic
    assert terms["baseline"] == pytest.approx(0.01 * 5.4)
    assert terms["edges"] == pytest.approx(2 / math.sqrt(3) * 0.1 * 6.2)
    assert terms["gaps"] == pytest.approx(2 * 0.5 * 3.0)
    assert budgets(WIDE, CASE, 2.0).dynamic["gaps"] == 0.0


def test_coverage_factor_scales_every_term() -> None:
    """Terms at k = 1 are half of those at k = 2 in each energy."""
    one, two = budgets(METER, CASE, 1.0), budgets(METER, CASE, 2.0)
    for name in ("total", "static", "dynamic"):
        assert combine(getattr(one, name)) == pytest.approx(combine(getattr(two, name)) / 2)


@pytest.mark.parametrize("unknown", ["reading_pct", "range_pct", "range_w"])
def test_unknown_accuracy(unknown: str) -> None:
    """An accuracy that the profile does not give makes the total's uncertainty unknown, never smaller."""
    terms = budgets(dataclasses.replace(METER, **{unknown: None}), CASE, 2.0)
    assert combine(terms.total) is None
    assert (combine(terms.dynamic) is None) == (unknown == "reading_pct")
    assert accuracy_limit_j(dataclasses.replace(METER, **{unknown: None}), 97.2, 5.4) is None
    assert combine(budgets(METER, CASE, 2.0).total) is not None, "control"


def test_no_idle_phase() -> None:
    """Without idle power the terms that need it are unknown."""
    terms = budgets(METER, dataclasses.replace(CASE, idle_w=None, u_idle_w=None), 2.0)
    assert combine(terms.static) is None
    assert combine(terms.dynamic) is None
    assert terms.total["edges"] is None
