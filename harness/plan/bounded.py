"""Good assignments for farms that are too large to search exactly, in bounded time (pure).

Devices stand in an order and stages take them one after the other. For a period, dynamic programming finds the cuts
that take the fewest; going through periods in small steps gives a plan for every number of devices at once. With
devices of one kind, and no medium that is full, the period is within a step of the best one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from harness.plan.assignment import Assignment, Stage
from harness.plan.cost import cuts_of
from harness.plan.stage_cost import StageModel
from harness.plan.stages import State, stages_from, state_after
from harness.plan.way import Cut

_STEP: Final = 1.005
"""Ratio of one period to the next, with devices of one kind."""
_LONG_STEP: Final = 1.01
"""The same where several kinds are tried in several orders."""
_SLACK: Final = 1e-9


@dataclass(frozen=True)
class _Way:
    """How a state is reached: devices taken, time on what all share, and the stages."""

    taken: int
    shared_s: float
    cuts: tuple[tuple[Cut, int], ...]


def bounded_plans(model: StageModel) -> Iterator[Assignment]:
    """Plans for every number of devices that makes a difference, the slowest first, for each order of the devices."""
    for order in _orders(model):
        yield from _plans(model, order)


def _orders(model: StageModel) -> Iterator[list[int]]:
    """Devices as they come, the quickest kind first, and the slowest kind first."""
    kinds = model.site.kinds
    whole = Cut(0, len(model.names))
    yield list(range(len(model.site.devices)))
    if len(kinds) > 1:
        quick = sorted(range(len(kinds)), key=lambda kind: (model.node(kind, whole).block.compute_s, kind))
        for ordered in (quick, quick[::-1]):
            yield [number for kind in ordered for number in kinds[kind]]


def _plans(model: StageModel, order: Sequence[int]) -> Iterator[Assignment]:
    chain = _chain(model, order)
    period_s = max((option.longest_s for _, options in chain for option in options), default=0.0)
    last = None
    while period_s > 0:
        way = _fewest(chain, period_s)
        if way is None:
            break
        # Of all that take so many devices, the last one has the shortest period.
        if last is not None and way.taken != last.taken:
            yield _assignment(model, order, last)
        last = way
        if way.shared_s > period_s:
            break  # the medium is full: further devices change nothing
        period_s /= _STEP if len(model.site.kinds) == 1 else _LONG_STEP
    if last is not None:
        yield _assignment(model, order, last)


@dataclass(frozen=True, eq=False)
class _Option:
    """A stage that may begin at a state, and what all devices in their order would do with it.

    Attributes:
        cut: its layers and parts.
        target: number of the state behind it; -1 for the end.
        shared_s: what it takes of a shared medium.
        least_s: period below which the initial cannot keep up.
        longest_s: the longest period of any device alone; 0 where none runs it.
        periods_s: of each device; infinite where it cannot run it.
        sums: of the rates of all devices before a place.
        unfit: how many devices before a place cannot run it.
        alike: whether all devices are of one kind.
    """

    cut: Cut
    target: int
    shared_s: float
    least_s: float
    longest_s: float
    periods_s: list[float]
    sums: list[float]
    unfit: list[int]
    alike: bool

    def end(self, begin: int, period_s: float) -> int | None:
        """The place behind its last device, when it takes devices from a place on; None where there are not enough."""
        parts, wanted, count = self.cut.parts, (1 - _SLACK) / period_s, len(self.periods_s)
        if period_s * (1 + _SLACK) < self.least_s:
            return None
        if self.alike:
            # A group of parts is as quick as each of its devices.
            end = begin + math.ceil(wanted * self.periods_s[0]) * parts if self.longest_s else count + 1
            return end if end <= count else None
        if parts == 1:
            end = bisect_left(self.sums, self.sums[begin] + wanted, begin + 1)
            return None if end > count or self.unfit[end] > self.unfit[begin] else end
        rate, end = 0.0, begin
        while rate < wanted:
            slowest_s = max(self.periods_s[end : end + parts], default=math.inf)
            if end + parts > count or math.isinf(slowest_s):
                return None
            rate += 1 / slowest_s
            end += parts
        return end


def _chain(model: StageModel, order: Sequence[int]) -> list[tuple[State, list[_Option]]]:
    found = stages_from(model)
    numbers = {state: number for number, (state, _) in enumerate(found)}
    return [(state, [_option(model, order, numbers, cut) for cut in cuts]) for state, cuts in found]


def _option(model: StageModel, order: Sequence[int], numbers: Mapping[State, int], cut: Cut) -> _Option:
    last = cut.end == len(model.names)
    periods_s = [model.node_of(number, cut).period_s for number in order]
    ends_s = [model.sending_s(cut) if cut.begin == 0 else 0.0, model.receiving_s(cut) if last else 0.0]
    return _Option(
        cut=cut,
        target=-1 if last else numbers[state_after(cut)],
        shared_s=model.medium_s(cut) + (model.last_medium_s(cut) if last else 0.0),
        least_s=max(ends_s),
        longest_s=max((one for one in periods_s if one < math.inf), default=0.0),
        periods_s=periods_s,
        sums=list(accumulate((0.0 if math.isinf(one) else 1 / one for one in periods_s), initial=0.0)),
        unfit=list(accumulate((int(math.isinf(one)) for one in periods_s), initial=0)),
        alike=len(model.site.kinds) == 1,
    )


def _fewest(chain: Sequence[tuple[State, Sequence[_Option]]], period_s: float) -> _Way | None:
    """The way that takes the fewest devices, and of those the least of the medium."""
    ways: dict[int, _Way] = {number: _Way(0, 0.0, ()) for number, (state, _) in enumerate(chain) if state.layer == 0}
    for number, (_, options) in enumerate(chain):
        way = ways.get(number)
        if way is None:
            continue
        for option in options:
            end = option.end(way.taken, period_s)
            if end is None:
                continue
            shared_s = way.shared_s + option.shared_s
            old = ways.get(option.target)
            if old is None or (end, shared_s) < (old.taken, old.shared_s):
                ways[option.target] = _Way(end, shared_s, (*way.cuts, (option.cut, end)))
    return ways.get(-1)


def _assignment(model: StageModel, order: Sequence[int], way: _Way) -> Assignment:
    stages, begin = [], 0
    for cut, end in way.cuts:
        numbers = order[begin:end]
        replicas = tuple(tuple(numbers[at : at + cut.parts]) for at in range(0, len(numbers), cut.parts))
        stages.append(Stage(cut.begin, cut.end, cut.parts, replicas, cut.way.split))
        begin = end
    return Assignment(model.graph.name, tuple(stages))


def with_more_replicas(model: StageModel, assignment: Assignment, count: int) -> Assignment:
    """The same cuts with further replicas for the slowest stage, as long as there are devices of the first kind."""
    used = set(assignment.used)
    free = [number for number in model.site.kinds[0] if number not in used][: max(0, count - assignment.nodes)]
    stages = list(assignment.stages)
    cuts = cuts_of(assignment)
    rates = [
        sum(1 / max(model.node_of(number, cut).period_s for number in replica) for replica in stage.replicas)
        for cut, stage in zip(cuts, stages, strict=True)
    ]
    while True:
        slowest = min(range(len(stages)), key=lambda number: rates[number])
        needed = stages[slowest].parts
        period_s = model.node(0, cuts[slowest]).period_s
        if len(free) < needed or math.isinf(period_s):
            return Assignment(assignment.model, tuple(stages))
        taken, free = tuple(free[:needed]), free[needed:]
        stage = stages[slowest]
        stages[slowest] = replace(stage, replicas=(*stage.replicas, taken))
        rates[slowest] += 1 / period_s
