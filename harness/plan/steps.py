"""The steps of the exact search: every stage that a plan could have, on every number of devices of each kind (pure).

There are some ten thousand, so that they are kept and reckoned as arrays; `stage_cost` has the same formulas for one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.plan.stage_cost import StageModel
from harness.plan.stages import Edge, Stages, edges_of, stages_from

Additive = Literal["shared", "latency", "dynamic"]
"""What adds up over stages: time of what all share, latency of a frame, energy beyond idling."""
Counts = tuple[int, ...]
"""Devices of each kind."""
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
MOST_STEPS: Final = 60_000
"""Steps of an exact search; a farm that needs more is planned within bounds."""
_SAME: Final = 1 + 1e-12
"""Sums that were added in another order."""


@dataclass(frozen=True)
class Steps:
    """Stages on devices: each array has an element for each step, in the order of the states.

    Attributes:
        edges: the stages.
        counts: every number of devices of each kind.
        edge: number of the step's stage.
        devices: number of its devices among `counts`.
        period_s: of the stage, and of the initial where it is its neighbour.
        adds: what it adds to each sum.
        enough_s: for each sum, the shortest period of those that take fewer of the same devices and add no more: from
            that threshold on they will do.
    """

    edges: Sequence[Edge]
    counts: Sequence[Counts]
    edge: Numbers
    devices: Numbers
    period_s: Floats
    adds: dict[Additive, Floats]
    enough_s: dict[Additive, Floats]

    def at(self, step: int) -> tuple[Edge, Counts]:
        """One step's stage and devices."""
        return self.edges[int(self.edge[step])], self.counts[int(self.devices[step])]


def count_steps(model: StageModel, stages: Stages | None = None) -> int:
    """Steps that `steps_of` would look at, without making them."""
    sizes = math.prod(len(kind) + 1 for kind in model.site.kinds) - 1
    return sizes * sum(len(cuts) for _, cuts in stages or stages_from(model))


def steps_of(model: StageModel, stages: Stages) -> Steps:
    """Every stage that could be part of a plan, on every number of devices of each kind that runs it."""
    edges = edges_of(model, stages)
    counts = [counts for counts in product(*(range(len(kind) + 1) for kind in model.site.kinds)) if any(counts)]
    period_s = np.full((len(edges), len(counts)), np.inf)
    adds: dict[Additive, Floats] = {name: np.full(period_s.shape, np.nan) for name in ("shared", "latency", "dynamic")}
    enough_s = {name: np.full(period_s.shape, np.inf) for name in adds}
    for (parts, order), chosen in _alike(model, edges).items():
        replicas = _replicas(counts, parts, order)
        costs = _costs(model, [edges[number] for number in chosen], replicas)
        period_s[chosen] = costs.period_s
        fewer = _fewer(counts, parts)
        for name, added in costs.adds.items():
            adds[name][chosen] = added
            enough_s[name][chosen] = _enough(costs.period_s, added, fewer)
    runs = np.isfinite(period_s)
    edge, devices = np.nonzero(runs)
    return Steps(
        edges,
        counts,
        edge,
        devices,
        period_s[runs],
        {name: added[runs] for name, added in adds.items()},
        {name: enough[runs] for name, enough in enough_s.items()},
    )


class _Costs(NamedTuple):
    """Of stages (rows) on devices (columns)."""

    period_s: Floats
    adds: dict[Additive, Floats]


class _Replicas(NamedTuple):
    """How devices form replicas.

    Attributes:
        kinds: of the devices of each sort of replica, the slowest one last.
        found: for each sort (rows) and number of devices (columns), how many there are; none where some would be left.
    """

    kinds: list[tuple[int, ...]]
    found: Floats


def _alike(model: StageModel, edges: Sequence[Edge]) -> dict[tuple[int, tuple[int, ...]], list[int]]:
    """Stages whose devices form the same replicas: numbers of parts, kinds by their pace -> numbers of the stages."""
    found: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for number, edge in enumerate(edges):
        found.setdefault((edge.cut.parts, model.kinds_by_pace(edge.cut)), []).append(number)
    return found


def _replicas(counts: Sequence[Counts], parts: int, order: Sequence[int]) -> _Replicas:
    """Replicas of all devices: the quickest ones together, since a replica is as slow as its slowest part."""
    sorts: dict[tuple[int, ...], int] = {}
    found: list[Counter[int]] = []
    for each in counts:
        devices = [kind for kind in order for _ in range(each[kind])]
        found.append(Counter())
        if len(devices) % parts == 0:
            for begin in range(0, len(devices), parts):
                found[-1][sorts.setdefault(tuple(devices[begin : begin + parts]), len(sorts))] += 1
    table = np.zeros((len(sorts), len(counts)))
    for column, replicas in enumerate(found):
        for sort, number in replicas.items():
            table[sort, column] = number
    return _Replicas(list(sorts), table)


def _costs(model: StageModel, edges: Sequence[Edge], replicas: _Replicas) -> _Costs:
    kinds_of_site = range(len(model.site.kinds))
    nodes = [[model.node(kind, edge.cut) for kind in kinds_of_site] for edge in edges]
    period_s = np.array([[node.period_s for node in of_stage] for of_stage in nodes])
    latency_s = np.array([[node.latency_s for node in of_stage] for of_stage in nodes])
    busy_s = np.array([[node.busy_s for node in of_stage] for of_stage in nodes])
    dynamic_j = np.array([[math.nan if n.dynamic_j is None else n.dynamic_j for n in of_stage] for of_stage in nodes])
    shape = (len(edges), replicas.found.shape[1])
    rate, latency, busy, dynamic, fails = (np.zeros(shape) for _ in range(5))
    for kinds, number in zip(replicas.kinds, replicas.found, strict=True):
        columns = np.flatnonzero(number)
        cannot = np.isinf(period_s[:, kinds[-1]])
        each = number[columns] / period_s[:, [kinds[-1]]]
        rate[:, columns] += each
        fails[:, columns] += cannot[:, None]
        for total, of_replica in (
            (latency, latency_s[:, list(kinds)].max(axis=1)),
            (busy, busy_s[:, list(kinds)].sum(axis=1)),
            (dynamic, dynamic_j[:, list(kinds)].sum(axis=1)),
        ):
            total[:, columns] += each * np.where(cannot, 0.0, of_replica)[:, None]
    runs = (rate > 0) & (fails == 0)
    share = np.divide(1.0, rate, out=np.full(shape, np.inf), where=runs)
    of_frame = np.where(runs, share, np.nan)
    ends = [_ends(model, edge) for edge in edges]
    least_s, hop_s, shared_s, shared_share = (np.array(column)[:, None] for column in zip(*ends, strict=True))
    return _Costs(
        np.maximum(share, least_s),
        {
            "shared": shared_s + busy * of_frame * shared_share,
            "latency": latency * of_frame + hop_s,
            "dynamic": dynamic * of_frame,
        },
    )


def _ends(model: StageModel, edge: Edge) -> tuple[float, float, float, float]:
    """What does not depend on a stage's devices.

    Returns:
        Its shortest period, because the initial is its neighbour; what its hops add to the latency; and what it takes
        of that which all share, a medium or the cores of one machine: seconds, and of its work.
    """
    cut, first, last = edge.cut, edge.cut.begin == 0, edge.target < 0
    least_s = max(model.sending_s(cut) if first else 0.0, model.receiving_s(cut) if last else 0.0)
    hop_s = model.hop_s(cut) + (model.last_hop_s(cut) if last else 0.0)
    if model.site.network.shared:
        return least_s, hop_s, model.medium_s(cut) + (model.last_medium_s(cut) if last else 0.0), 0.0
    if model.site.shared_cores is None:
        return least_s, hop_s, 0.0, 0.0
    messages = (model.incoming(cut).messages if first else 0) + (model.outgoing(cut).messages if last else 0)
    ends_s = model.site.network.message_s * messages
    return least_s, hop_s, ends_s / model.site.shared_cores, 1 / model.site.shared_cores


def _fewer(counts: Sequence[Counts], parts: int) -> list[Numbers]:
    """For each kind: where the same devices stand without as many of it as make a replica; -1 where there are none."""
    places = {each: place for place, each in enumerate(counts)}
    return [
        np.array([places.get((*each[:kind], each[kind] - parts, *each[kind + 1 :]), -1) for each in counts])
        for kind in range(len(counts[0]))
    ]


def _enough(period_s: Floats, added: Floats, fewer: Sequence[Numbers]) -> Floats:
    """The shortest period of those with a replica less that add no more."""
    enough_s: Floats = np.full(period_s.shape, np.inf)
    for places in fewer:
        no_more = (places >= 0) & (added[:, places] <= added * _SAME)
        enough_s = np.minimum(enough_s, np.where(no_more, period_s[:, places], np.inf))
    return enough_s
