"""Behaviour models: the seconds of a kind of layer, fitted to those of its layers that were timed.

The paper profiles layers by kind over a grid of sizes and fits t(kind, in, out, params) to it. Here a time is a sum
of what every call costs and of so many seconds for each multiply-accumulate, parameter and byte. Coefficients are not
negative, and errors are taken relative to each time: a layer of 10 ms counts as much as one of a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

import numpy as np

from harness.models.graph import ModelGraph
from harness.profile.profile import Fit, rounded

FEATURES_OF: Final[dict[str, tuple[str, ...]]] = {
    "Conv2D": ("one", "macs", "parameters", "input_bytes", "output_bytes"),
    "Dense": ("one", "parameters"),
    "MaxPool2D": ("one", "input_bytes"),
    "Flatten": ("one", "output_bytes"),
    "Rescale": ("one", "output_bytes"),
}
"""What the time of each kind of layer may depend on; a dense layer's MACs and bytes say the same as its parameters."""
_FEW: Final = 3


@dataclass(frozen=True)
class Point:
    """One timed layer.

    Attributes:
        features: of `FEATURES` -> value.
        seconds: for a frame.
    """

    features: Mapping[str, float]
    seconds: float


def features_of(graph: ModelGraph, layer: str, parts: int = 1) -> dict[str, float]:
    """What the time of a layer, or of one of its column parts, depends on."""
    inputs = graph.layer(layer).inputs
    return {
        "one": 1.0,
        "macs": graph.macs(layer) / parts,
        "parameters": graph.parameters(layer) / parts,
        "input_bytes": float(sum(graph.output_bytes(tensor) for tensor in inputs)),
        "output_bytes": graph.output_bytes(layer) / parts,
    }


def dense_features(features_in: int, units: int) -> dict[str, float]:
    """Those of a dense layer that belongs to no model here."""
    return {"one": 1.0, "parameters": float(features_in * units + units)}


def kind_of(graph: ModelGraph, layer: str) -> str:
    """Name of the kind of a layer."""
    return type(graph.layer(layer)).__name__


def estimate_s(fit: Fit, features: Mapping[str, float]) -> float:
    """Seconds by a fit."""
    return sum(seconds * features[feature] for feature, seconds in fit.seconds_per.items())


def fit(kind: str, points: Sequence[Point], source: str, *, outliers: Sequence[Point] = ()) -> Fit:
    """Fit a kind of layer.

    Args:
        kind: one of `FEATURES_OF`.
        points: timed layers; at least one.
        source: what they are.
        outliers: timed layers that are left out of the fit, and whose errors count all the same.

    Raises:
        ValueError: there is no point.
    """
    found = _coefficients(kind, points)
    errors: list[float] = []
    if len(points) >= _FEW:
        for number, point in enumerate(points):
            others = [*points[:number], *points[number + 1 :]]
            errors.append(_error(_coefficients(kind, others), point))
        errors += [_error(found, point) for point in outliers]
    return Fit(
        seconds_per={feature: rounded(value) for feature, value in found.items()},
        points=len(points),
        median_error=rounded(median(errors)) if errors else None,
        largest_error=rounded(max(errors)) if errors else None,
        source=source,
    )


def _error(seconds_per: Mapping[str, float], point: Point) -> float:
    estimate = sum(seconds * point.features[feature] for feature, seconds in seconds_per.items())
    return abs(estimate - point.seconds) / point.seconds


def _coefficients(kind: str, points: Sequence[Point]) -> dict[str, float]:
    """Least squares of the relative errors with coefficients that are not negative.

    With five features or fewer, trying every set of them finds the best one exactly.
    """
    if not points:
        raise ValueError(f"nothing was timed of {kind}")
    names = FEATURES_OF[kind]
    matrix = np.array([[point.features[name] / point.seconds for name in names] for point in points])
    scale = np.maximum(matrix.max(axis=0), 1e-300)
    best: tuple[float, dict[str, float]] | None = None
    for count in range(1, min(len(names), len(points)) + 1):
        for chosen in combinations(range(len(names)), count):
            columns = list(chosen)
            weights = np.linalg.lstsq(matrix[:, columns] / scale[columns], np.ones(len(points)), rcond=None)[0]
            if (weights < 0).any():
                continue
            error = float(((matrix[:, columns] / scale[columns] @ weights - 1) ** 2).sum())
            # Fewer features are kept where more explain nothing.
            if best is None or error < best[0] * (1 - 1e-9) - 1e-12:
                best = (error, {names[at]: float(weights[n] / scale[at]) for n, at in enumerate(columns)})
    assert best is not None, "a single feature that is not negative always has a coefficient that is not"
    return best[1]
