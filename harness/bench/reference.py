"""What the single device answers to each image of the pool, computed before the window.

It runs in a process of its own, so that the measuring process holds no model and no TensorFlow threads while it
measures, and so that a GPU run is checked against the CPU.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.bench.rounding import rounded_outputs
from harness.ending import watch_a_worker
from harness.errors import BadInputError, MissingPackageError
from harness.models.catalogue import model
from harness.models.frames import frame_pool
from harness.models.weights import WeightSource, block_fingerprint, model_fingerprint
from harness.partition.block import Block, whole_model
from harness.partition.partition import Partition
from harness.runtime.device import configure
from harness.runtime.keras_block import load_block
from harness.runtime.source import weight_source

Pool = npt.NDArray[np.uint8]
Outputs = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """Images and the right answers.

    Attributes:
        images: uint8 array (count, height, width, channels).
        outputs: float32 array (count, classes): the whole model's output for each image.
        weights: identity of the weights.
        model_fingerprint: fingerprint over graph and weights.
        block_fingerprints: fingerprint that the holder of each asked-for block must show.
        exact: where `outputs` are those of a wire that rounds, what the model answers without it; None else.
        threads: with which it was computed, where somebody asked for a number; None is all cores.
    """

    images: Pool
    outputs: Outputs
    weights: str
    model_fingerprint: str
    block_fingerprints: tuple[str, ...]
    exact: Outputs | None = None
    threads: int | None = None

    def error(self, image: int, output: Outputs) -> float:
        """Largest absolute difference between an output and the right one (NaN if the output holds one)."""
        return float(np.max(np.abs(output - self.outputs[image])))

    @property
    def separation(self) -> float:
        """Smallest largest-difference between the outputs of two images: the finest mistake the check can see."""
        return min(
            float(np.max(np.abs(self.outputs[one] - self.outputs[other])))
            for one, other in combinations(range(len(self.outputs)), 2)
        )


def compute_reference(
    model_name: str,
    *,
    seed: int,
    weights: Path | None,
    count: int,
    blocks: tuple[Block, ...],
    cut: Partition | None = None,
    threads: int | None = None,
) -> Reference:
    """Compute the reference in a child process, on the CPU.

    Args:
        model_name: name in the catalogue.
        seed: seed of the weights and the images.
        weights: Keras weights file in place of the seeded weights, or None.
        count: number of images; two at least.
        blocks: blocks whose fingerprint is wanted.
        cut: partition whose wire rounds: the answers are then those with every tensor rounded at its cuts.
        threads: of TensorFlow; None is all cores. Sums of another number of threads may end in another last bit.

    Raises:
        BadInputError: the weights file does not fit, or gives outputs that are not finite, or tensors that the wire
            cannot carry.
        MissingPackageError: TensorFlow is not installed, or the child was killed (out of memory).
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=watch_a_worker) as pool:
        try:
            return pool.submit(_compute, model_name, seed, weights, count, blocks, cut, threads).result()
        except BrokenProcessPool:
            raise MissingPackageError(
                f"the process that computes the {model_name} reference was killed",
                "most often there is too little free memory for the whole model",
            ) from None


def _compute(
    model_name: str,
    seed: int,
    weights: Path | None,
    count: int,
    blocks: tuple[Block, ...],
    cut: Partition | None,
    threads: int | None,
) -> Reference:
    graph = model(model_name)
    configure("cpu", threads or len(os.sched_getaffinity(0)))
    source = weight_source(graph, seed=seed, weights=weights)
    images = frame_pool(seed, count, graph.input_shape)
    whole = load_block(whole_model(graph), source)
    outputs = np.stack([whole(image)[0] for image in images])
    if not np.isfinite(outputs).all():
        raise BadInputError(
            f"the weights {source.identity} give outputs of {model_name} that are no finite numbers",
            "nothing can be checked against them: use other weights",
        )
    del whole  # a large model must not be there twice
    rounded = None if cut is None else rounded_outputs(cut, lambda block: load_block(block, source), images)
    return Reference(
        images=images,
        outputs=outputs if rounded is None else rounded,
        weights=source.identity,
        model_fingerprint=model_fingerprint(graph, source.identity),
        block_fingerprints=tuple(
            block_fingerprint(graph, block.layers, block.part, block.parts, _weights(block, source), block.split)
            for block in blocks
        ),
        exact=None if rounded is None else outputs,
        threads=threads,
    )


def _weights(block: Block, source: WeightSource) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Named weights of a block, one layer in memory at a time."""
    for layer in block.layers:
        for parameter, array in source.layer(block.graph, layer, block.part, block.parts, block.split).items():
            yield f"{layer}/{parameter}", array
