"""Which stages an exact search looks at: those on a way that is quick enough for a frame alone (pure).

Splits of convolutions make many stages, of which few lie on a way that is as quick as wanted. The least latency from
the frame to each state, and from each state to the result, on every number of devices, tells them: one replica of each
stage is enough for that, since a further one makes no frame quicker. No plan that could be chosen needs what is left
out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from harness.plan.objective import Objective
from harness.plan.site import Site
from harness.plan.stage_cost import StageModel
from harness.plan.stages import Stages, edges_of, stages_from, state_after
from harness.plan.steps import MOST_STEPS, Counts, Floats, Numbers, count_steps
from harness.plan.way import Cut

_SAME: Final = 1e-8


@dataclass(frozen=True)
class Space:
    """What a search looks at.

    Attributes:
        model: costs of its stages.
        stages: that plans may have.
        complete: whether no plan that could be chosen was left out.
    """

    model: StageModel
    stages: Stages
    complete: bool

    @property
    def steps(self) -> int:
        """Steps of an exact search."""
        return count_steps(self.model, self.stages)


def search_space(
    model: StageModel, objective: Objective, max_latency_s: float | None, *, conv_splits: bool = True
) -> Space:
    """The stages that matter for an objective.

    Where the latency of a frame matters, all splits of convolutions are looked at; else those alone whose parts take
    less time together than the whole.

    Args:
        model: costs without splits of convolutions.
        objective: what is looked for.
        max_latency_s: the longest way of a frame alone; None is any.
        conv_splits: whether plans may have splits of convolutions at all.
    """
    plain = Space(model, stages_from(model), complete=True)
    if not conv_splits or plain.steps > MOST_STEPS:
        return plain
    quick = objective == "latency" or max_latency_s is not None
    wider = StageModel(model.graph, model.site, conv_splits="all" if quick else "needed")
    stages = stages_from(wider)
    if not quick:
        found = Space(wider, stages, complete=True)
        return found if found.steps <= MOST_STEPS else Space(model, plain.stages, complete=False)
    limit_s = math.inf if objective == "latency" or max_latency_s is None else max_latency_s
    late_s = _lateness(wider, stages, limit_s)
    near = {cut for cut, seconds in late_s.items() if seconds <= 0}
    complete = count_steps(wider, _only(stages, near)) <= MOST_STEPS
    if not complete:
        near = _nearest(wider, late_s)
    return Space(wider, _only(stages, near), complete)


def _only(stages: Stages, wanted: set[Cut]) -> Stages:
    """Those stages, and the states that they come from or lead to."""
    kept = [(state, [cut for cut in cuts if cut in wanted]) for state, cuts in stages]
    reached = {state_after(cut) for _, cuts in kept for cut in cuts}
    return [(state, cuts) for state, cuts in kept if cuts or state in reached]


def _nearest(model: StageModel, late_s: dict[Cut, float]) -> set[Cut]:
    """Every stage without a split of convolutions beside it, and of the others the quickest, as many as can be."""
    kinds = math.prod(len(kind) + 1 for kind in model.site.kinds) - 1
    plain = {cut for cut in late_s if not _beside_split(cut)}
    others = sorted((cut for cut in late_s if cut not in plain), key=lambda cut: late_s[cut])
    return plain | set(others[: max(0, MOST_STEPS // kinds - len(plain))])


def _beside_split(cut: Cut) -> bool:
    return any(way.of_convolutions for way in (cut.way, cut.before, cut.after.way))


def _lateness(model: StageModel, stages: Stages, limit_s: float) -> dict[Cut, float]:
    """For each stage by how much the quickest way through it is too late, on the number of devices that suits it best.

    Too late is what takes longer than a limit, or than the quickest way of all where there is no limit.
    """
    site = model.site
    shape = tuple(len(kind) + 1 for kind in site.kinds)
    chain = edges_of(model, stages)
    costs = _costs(model, [edge.cut for edge in chain])
    sources = np.array([edge.source for edge in chain])
    targets = np.array([edge.target for edge in chain])
    parts = np.array([edge.cut.parts for edge in chain])
    # The last row stands for the end.
    there = np.full((len(stages) + 1, *shape), np.inf)
    back = np.full((len(stages) + 1, *shape), np.inf)
    for number, (state, _) in enumerate(stages):
        if state.layer == 0:
            there[(number, *(0 for _ in shape))] = 0.0
    back[(-1, *(0 for _ in shape))] = 0.0
    into = _by_layer(stages, targets)
    for chosen in into:
        for size in np.unique(parts[chosen]):
            for counts in _vectors(site, int(size)):
                _reach(there, targets, sources, chosen[parts[chosen] == size], counts, costs)
    for chosen in reversed(_by_layer(stages, sources)):
        for size in np.unique(parts[chosen]):
            for counts in _vectors(site, int(size)):
                _reach(back, sources, targets, chosen[parts[chosen] == size], counts, costs)
    return _late(
        [edge.cut for edge in chain],
        _by_number(there)[sources],
        _by_number(back)[targets],
        np.min(np.stack([costs[kinds] for kinds in costs]), axis=0),
        np.minimum(limit_s, np.where(math.isinf(limit_s), _by_number(there)[-1], limit_s)),
    )


def _vectors(site: Site, parts: int) -> Iterator[Counts]:
    """Devices of each kind that make one replica."""
    sizes = (range(min(len(kind), parts) + 1) for kind in site.kinds)
    return (counts for counts in product(*sizes) if sum(counts) == parts)


def _costs(model: StageModel, cuts: Sequence[Cut]) -> dict[tuple[int, ...], Floats]:
    """Kinds of devices that take part -> seconds that each stage takes with them, the hop before it included."""
    last = len(model.names)
    hops_s = np.array([model.hop_s(cut) + (model.last_hop_s(cut) if cut.end == last else 0.0) for cut in cuts])
    kinds = range(len(model.site.kinds))
    if any(device.bandwidth_bytes_per_s is not None for device in model.site.devices):
        alone = [np.array([model.node(kind, cut).latency_s for cut in cuts]) for kind in kinds]
    else:
        alone = [np.array([model.block(kind, c.begin, c.end, c.way).seconds for c in cuts]) for kind in kinds]
    found: dict[tuple[int, ...], Floats] = {}
    for chosen in product((False, True), repeat=len(alone)):
        part = tuple(kind for kind, taken in enumerate(chosen) if taken)
        if part:
            found[part] = np.max(np.stack([alone[kind] for kind in part]), axis=0) + hops_s
    return found


def _by_layer(stages: Stages, states: Numbers) -> list[Numbers]:
    """Numbers of stages by the layer of one of their states, in the order of the layers; the end comes last."""
    layers = np.array([*(state.layer for state, _ in stages), math.inf])
    of = layers[states]
    return [np.flatnonzero(of == layer) for layer in np.unique(of)]


def _reach(
    least: Floats,
    to: Numbers,
    come: Numbers,
    chosen: Numbers,
    counts: Counts,
    costs: dict[tuple[int, ...], Floats],
) -> None:
    """Make states no later than these stages, on just so many devices more, bring them."""
    seconds = costs[tuple(kind for kind, count in enumerate(counts) if count)][chosen]
    taken = tuple(slice(0, size - count) for size, count in zip(least.shape[1:], counts, strict=True))
    given = tuple(slice(count, None) for count in counts)
    new = least[come[chosen]][(slice(None), *taken)] + seconds.reshape(-1, *(1 for _ in counts))
    old = least[(slice(None), *given)]
    np.minimum.at(old, to[chosen], new)


def _by_number(least: Floats) -> Floats:
    """For each state the least on so many devices at most, of whatever kinds."""
    devices = np.indices(least.shape[1:]).sum(axis=0)
    flat, sums = least.reshape(len(least), -1), devices.reshape(-1)
    columns = [flat[:, sums <= most].min(axis=1) for most in range(int(sums.max()) + 1)]
    return np.stack(columns, axis=1)


def _late(cuts: Sequence[Cut], there: Floats, back: Floats, cost: Floats, limits_s: Floats) -> dict[Cut, float]:
    most = there.shape[1] - 1
    late = np.full(len(cuts), np.inf)
    parts = np.array([cut.parts for cut in cuts])
    for count in range(most + 1):
        for before in range(count + 1):
            behind = count - before - parts
            fits = behind >= 0
            if not fits.any() or math.isinf(limits_s[count]):
                continue
            total = there[fits, before] + cost[fits] + back[fits, behind[fits]]
            late[fits] = np.minimum(late[fits], total - limits_s[count] * (1 + _SAME))
    return dict(zip(cuts, late.tolist(), strict=True))
