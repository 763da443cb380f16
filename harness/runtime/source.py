"""Where the weights of a run come from: drawn from a seed, or read from the user's file."""

from __future__ import annotations

from pathlib import Path

from harness.models.graph import ModelGraph
from harness.models.weights import SeededWeights, WeightSource
from harness.runtime.weights_file import open_weights


def weight_source(graph: ModelGraph, *, seed: int, weights: Path | None) -> WeightSource:
    """The weights of a model: from `weights` when a file is named, else drawn from `seed`.

    Raises:
        BadInputError: the file is missing, is no Keras weights file, or does not fit the model.
    """
    if weights is None:
        return SeededWeights(seed)
    return open_weights(weights, graph)
