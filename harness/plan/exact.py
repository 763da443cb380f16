"""The best plan for each number of devices, where the site is small enough to be searched (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from harness.plan.cost import predict
from harness.plan.near import Space
from harness.plan.objective import Objective, Planned, score
from harness.plan.search import Search, Solution
from harness.plan.steps import Floats

SAME: Final = 1 + 1e-9
"""Sums that were added in another order."""
_MOST_LOOKS: Final = 400
_FEW: Final = 192
_ROUNDS: Final = 2
"""So many thresholds, looked at so often, show where the best one lies."""


class ExactPlanner:
    """Plans of a site that is small enough to be searched.

    Args:
        space: stages that plans may have, and what they cost.
        objective: what is looked for.
        max_latency_s: the longest way of a frame alone; None is any.
    """

    def __init__(self, space: Space, objective: Objective, max_latency_s: float | None) -> None:
        self._model = space.model
        self._complete = space.complete
        self._objective = objective
        self._most_s = math.inf if max_latency_s is None else max_latency_s * SAME
        self._search = Search(space.model, space.stages)

    def plans(self, counts: Sequence[int]) -> dict[int, Planned]:
        """Number of computing devices -> plan, where there is one."""
        found = self._plans(counts)
        return found if self._complete else {count: replace(one, exact=False) for count, one in found.items()}

    def _plans(self, counts: Sequence[int]) -> dict[int, Planned]:
        if not len(self._search.thresholds_s):
            return {}
        if self._objective == "energy":
            return self._energy(counts)
        shortest = self._search.shortest(counts)
        if self._objective == "latency":
            least = self._search.solve(self._search.thresholds_s[-1:], "latency")
            latency_s = {count: float(least.least(count)[0]) for count in counts}
            return self._fast_enough(shortest, latency_s)
        if math.isinf(self._most_s):
            return self._quickest(shortest)
        return self._fast_enough(shortest, dict.fromkeys(counts, self._most_s))

    def _quickest(self, shortest: dict[int, float]) -> dict[int, Planned]:
        """Of the plans with the shortest period those on the fewest devices, of these the one with least latency."""
        periods_s = {count: period_s for count, period_s in shortest.items() if period_s < math.inf}
        thresholds_s = np.unique([period_s * SAME for period_s in periods_s.values()])
        shared = self._search.solve(thresholds_s, "shared")
        latency = self._search.solve(thresholds_s, "latency")
        plans = {}
        for count, period_s in periods_s.items():
            column = int(np.searchsorted(thresholds_s, period_s * SAME))
            fits = (shared.totals[..., column] <= period_s * SAME) & (shared.devices <= count)
            fewest = int(shared.devices[fits].min())
            places = [tuple(map(int, place)) for place in np.argwhere(fits & (shared.devices == fewest))]
            best = min(
                (self._planned(solution, place, column) for place in places for solution in (latency, shared)),
                key=lambda one: (one.prediction.period_s > period_s * SAME, one.prediction.latency_s),
            )
            plans[count] = best
        return plans

    def _fast_enough(self, shortest: dict[int, float], most_s: dict[int, float]) -> dict[int, Planned]:
        """The shortest period among plans whose latency is at most so much."""
        limits_s = {count: most * SAME for count, most in most_s.items() if most < math.inf}
        if not limits_s:
            return {}
        every = self._search.thresholds_s
        found = self._search.narrow(list(limits_s), "latency", lambda count, _, least: least <= limits_s[count])
        periods_s = {count: max(float(every[at]), shortest[count]) for count, at in found.items() if at < len(every)}
        thresholds_s = np.unique([period_s * SAME for period_s in periods_s.values()])
        solution = self._search.solve(thresholds_s, "latency")
        plans = {}
        for count, period_s in periods_s.items():
            column = int(np.searchsorted(thresholds_s, period_s * SAME))
            fits = (solution.totals[..., column] <= limits_s[count]) & (solution.devices <= count)
            fewest = int(solution.devices[fits].min())
            places = [tuple(map(int, place)) for place in np.argwhere(fits & (solution.devices == fewest))]
            plans[count] = min(
                (self._planned(solution, place, column) for place in places),
                key=lambda one: (one.prediction.period_s, one.prediction.latency_s),
            )
            # Two sums are bounded at once here: exact where the one that was not minimised does no harm.
            harmless = self._objective == "latency" or plans[count].prediction.period_s <= period_s * SAME
            if not harmless:
                plans[count] = Planned(plans[count].assignment, plans[count].prediction, exact=False)
        return plans

    def _energy(self, counts: Sequence[int]) -> dict[int, Planned]:
        """Idle watts times the period, plus what computing takes: the least sum for each period and count."""
        idle_w = self._idle_w()
        worth_it = self._worth_a_look(counts, idle_w)
        all_of_them = len(worth_it) <= self._search.most_thresholds
        picked = worth_it if all_of_them else _some(worth_it, self._search.most_thresholds)
        solution = self._search.solve(picked, "dynamic")
        least_j = idle_w[..., None] * picked + solution.totals
        plans = {}
        for count in counts:
            found = self._least_energy(solution, np.where((solution.devices <= count)[..., None], least_j, np.inf))
            if found is not None:
                plans[count] = Planned(found.assignment, found.prediction, found.exact and all_of_them)
        return plans

    def _idle_w(self) -> Floats:
        """Idle watts of the initial and of so many devices of each kind."""
        idle_w = np.full([size + 1 for size in self._search.sizes], self._model.initial_idle_w)
        for kind, numbers in enumerate(self._model.site.kinds):
            each_w = self._model.site.devices[numbers[0]].profile.device.idle_w or 0.0
            idle_w = idle_w + np.indices(idle_w.shape)[kind] * each_w
        return idle_w

    def _worth_a_look(self, counts: Sequence[int], idle_w: Floats) -> Floats:
        """Thresholds at which a plan may need least energy: at all others none fits, or each needs more than one here.

        What computing takes falls as the threshold grows: between two thresholds it is at least that at the longer one,
        while idling takes at least that of the shorter one.
        """
        every = self._search.thresholds_s
        if self._most_s < math.inf or not (idle_w > 0).all():
            return every
        for _ in range(_ROUNDS):
            if len(every) <= 2 * _FEW:
                break
            few = _some(every, _FEW)
            found = self._search.solve(few, "dynamic")
            shorter = np.concatenate([[0.0], few[:-1]])
            hopeful = np.zeros(len(few), dtype=bool)
            for count in counts:
                within = found.devices <= count
                totals, idles_w = found.totals[within], idle_w[within][:, None]
                best_j = (idles_w * few + totals).min()
                if best_j < math.inf:
                    hopeful |= (idles_w * shorter + totals).min(axis=0) <= best_j * SAME
            every = every[hopeful[np.searchsorted(few, every)]]
        return every

    def _least_energy(self, solution: Solution, least_j: Floats) -> Planned | None:
        """Look at plans in the order of what they need at least, until none that follows can be better."""
        best: Planned | None = None
        passed_over = False
        order = np.argsort(least_j, axis=None, kind="stable")
        for looks, flat in enumerate(order):
            place = np.unravel_index(int(flat), least_j.shape)
            if math.isinf(least_j[place]):
                break
            if best is not None and least_j[place] >= score(best.prediction, "energy"):
                break
            if looks >= _MOST_LOOKS:
                passed_over = True
                break
            one = self._planned(solution, tuple(map(int, place[:-1])), int(place[-1]))
            if one.prediction.latency_s > self._most_s:
                passed_over = True
            elif best is None or score(one.prediction, "energy") < score(best.prediction, "energy"):
                best = one
        return best if best is None else Planned(best.assignment, best.prediction, exact=not passed_over)

    def _planned(self, solution: Solution, place: tuple[int, ...], column: int) -> Planned:
        found = solution.at(place, column)
        model = self._model
        prediction = predict(model.graph, model.site, found.assignment, model=model)
        # The search for the best pace knows no bound of frames in flight, under which a shorter way may be the better.
        exact = self._objective != "throughput" or not prediction.held_by_load
        return Planned(found.assignment, prediction, exact=exact)


def _some(values: Floats, count: int) -> Floats:
    """So many of them, evenly, the first and the last among them."""
    found: Floats = values[np.unique(np.linspace(0, len(values) - 1, count).astype(int))]
    return found
