"""Where a model may be cut, and into what a role may be split: everything that a planner chooses from (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.models.graph import FRAME, Dense, ModelGraph

MOST_PARTS: Final = 16
"""More column parts than this send more copies than they save."""


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


def candidate_parts(graph: ModelGraph, layers: Sequence[str]) -> tuple[int, ...]:
    """Numbers of equal parts into which a role of these layers can be cut; 1 is the whole, and comes first.

    A single dense layer is cut by output columns. Splits of convolutions belong here as soon as blocks compute them.
    """
    layer = graph.layer(layers[0])
    if len(layers) > 1 or not isinstance(layer, Dense) or layer.activation == "softmax":
        return (1,)
    return tuple(parts for parts in range(1, MOST_PARTS + 1) if layer.units % parts == 0)
