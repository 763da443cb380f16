"""Where a model may be cut, and into what a role may be split: everything that a planner chooses from (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.models.split import Split
from harness.partition.split import require_split
from harness.plan.way import WHOLE, Way

MOST_PARTS: Final = 16
"""More column parts than this send more copies than they save."""
CONV_PARTS: Final = (2, 3, 4)
"""Into how many parts convolutions are split: each number more multiplies the plans that have to be looked at."""


def cut_points(graph: ModelGraph) -> tuple[int, ...]:
    """Numbers of layers before which a role may begin, and the number of layers last.

    A role may begin where a single tensor crosses, so that roles form a chain; a branch stays in one role.
    """
    names = [layer.name for layer in graph.layers]
    points = [0]
    for cut in range(1, len(names)):
        before = {FRAME, *names[:cut]}
        crossing = {tensor for layer in graph.layers[cut:] for tensor in layer.inputs if tensor in before}
        if len(crossing) == 1 and crossing == {names[cut - 1]}:
            points.append(cut)
    return (*points, len(names))


def candidate_ways(graph: ModelGraph, layers: Sequence[str]) -> tuple[Way, ...]:
    """Ways in which a role of these layers can be split that a planner looks at; the whole comes first.

    A dense layer by output columns; everything from one pool to another by rows; one convolution, with the pools behind
    it, by output channels; one convolution alone by input channels.
    """
    layer = graph.layer(layers[0])
    if isinstance(layer, Dense):
        if len(layers) > 1 or layer.activation == "softmax":
            return (WHOLE,)
        return tuple(Way(parts) for parts in range(1, MOST_PARTS + 1) if layer.units % parts == 0)
    kinds = [type(graph.layer(name)) for name in layers]
    if Conv2D not in kinds or Dense in kinds:
        return (WHOLE,)
    splits = [split for split, fits in _FITTING.items() if fits(graph, layers)]
    return (WHOLE, *(Way(n, split) for split in splits for n in CONV_PARTS if _can_be(graph, layers, Way(n, split))))


def may_follow(before: Way, way: Way) -> bool:
    """Whether a planner looks at two neighbouring roles that are split so.

    Convolutions keep their number of parts from role to role; between other numbers a whole role must stand.
    """
    return not (before.of_convolutions and way.of_convolutions) or before.parts == way.parts


def _by_rows(graph: ModelGraph, layers: Sequence[str]) -> bool:
    """Pools shrink pictures, so what travels is least there: a tile goes from one to another."""
    return _begins_behind_pool(graph, layers[0]) and _ends_unit(graph, layers, Conv2D)


def _by_filters(graph: ModelGraph, layers: Sequence[str]) -> bool:
    kinds = [type(graph.layer(name)) for name in layers]
    return kinds.count(Conv2D) == 1 and kinds[0] in {Conv2D, Rescale} and _ends_unit(graph, layers)


def _by_channels(graph: ModelGraph, layers: Sequence[str]) -> bool:
    kinds = [type(graph.layer(name)) for name in layers]
    return kinds in ([Conv2D], [Rescale, Conv2D])


_FITTING: Final = {
    Split.ROWS: _by_rows,
    Split.OUTPUT_CHANNELS: _by_filters,
    Split.INPUT_CHANNELS: _by_channels,
}


def _begins_behind_pool(graph: ModelGraph, first: str) -> bool:
    (*before,) = graph.layer(first).inputs
    if not isinstance(graph.layer(first), Conv2D | Rescale):
        return False
    return all(tensor == FRAME or isinstance(graph.layer(tensor), MaxPool2D) for tensor in before)


def _ends_unit(graph: ModelGraph, layers: Sequence[str], *more: type) -> bool:
    """Whether no layer of these kinds, pool or flattening follows that would belong to the last layer."""
    last = graph.layer(layers[-1])
    following = {type(graph.layer(user)) for user in graph.consumers(layers[-1])}
    behind_pool = isinstance(last, MaxPool2D | Flatten)
    return not following & {MaxPool2D, Flatten, *(() if behind_pool else more)}


def _can_be(graph: ModelGraph, layers: Sequence[str], way: Way) -> bool:
    try:
        require_split(graph, layers, (layers[-1],), way.parts, way.split)
    except ValueError:
        return False
    return True
