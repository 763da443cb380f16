"""Seeded models answer different frames differently, and without a saturated softmax."""

import gc
from itertools import combinations

import numpy as np
import pytest

from harness.models import weights
from harness.models.catalogue import model
from harness.models.frames import frame_pool
from harness.models.weights import SeededWeights
from harness.partition.block import whole_model
from harness.runtime import configure, load_block


def answers(name: str, *, seed: int, pool: int, frames: int) -> np.ndarray:
    """Probabilities (frames, 1000) of a whole seeded model."""
    configure("cpu", threads=1)
    graph = model(name)
    block = load_block(whole_model(graph), SeededWeights(seed))
    result = np.stack([block(frame)[0] for frame in frame_pool(pool, frames, graph.input_shape)])
    del block
    gc.collect()  # a Keras model is a knot of references, and a VGG16 is 553 MB
    return result


def least_difference(results: np.ndarray) -> float:
    """The smallest largest difference between the answers to any two frames."""
    return min(float(np.abs(one - other).max()) for one, other in combinations(results, 2))


@pytest.mark.parametrize(
    ("name", "seed", "pool", "frames"),
    [
        ("alexnet", 0, 0, 16),
        ("alexnet", 1, 3, 16),
        ("alexnet", 2, 9, 16),
        ("alexnet", 42, 5, 16),
        ("vgg16", 0, 0, 5),
    ],
)
def test_answers_tell_frames_apart(name, seed, pool, frames):
    """Any two frames differ by 1e-4 or more, and every answer has a clear yet not one-hot maximum."""
    results = answers(name, seed=seed, pool=pool, frames=frames)
    top = results.max(axis=1)
    assert least_difference(results) > 1e-4
    assert 0.003 < top.min() <= top.max() < 0.6
    assert np.allclose(results.sum(axis=1), 1.0, atol=1e-5)


def test_without_the_gain_an_equality_check_would_prove_nothing(monkeypatch):
    """The control: plain Glorot weights answer some two frames within 1e-4, and nearly uniformly."""
    monkeypatch.setattr(weights, "LOGITS_GAIN", {})
    results = answers("alexnet", seed=0, pool=0, frames=8)
    assert least_difference(results) < 1e-4
    assert results.max() < 0.003
