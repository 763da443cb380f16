"""What a single device with stand-in blocks makes of the images of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.stand_ins.blocks import MODEL, WEIGHTS, StandIn
from harness.bench.farm_run import blocks_of
from harness.bench.reference import Reference
from harness.models.frames import frame_pool
from harness.node.worker import Array
from harness.partition.partition import INITIAL, Partition
from harness.plan.plan import Plan
from harness.plan.table import Share


def stand_in_reference(plan: Plan, count: int, seed: int = 1) -> Reference:
    """Images, and what a single device with the same blocks makes of them."""
    cut = plan.partition
    images = frame_pool(seed, count, cut.graph.input_shape)
    return Reference(
        images=images,
        outputs=np.stack([_answer(cut, image) for image in images]),
        weights=WEIGHTS,
        model_fingerprint=MODEL,
        block_fingerprints=tuple(StandIn(cut, Share(*key)).fingerprint for key in blocks_of(plan)),
    )


def _answer(cut: Partition, image: Array) -> Any:
    tensors: dict[str, Array] = {"frame": image}
    for role in cut.roles:
        inputs = [tensors[tensor] for tensor in cut.inputs(role.name)]
        parts = [StandIn(cut, Share(role.name, part))(*inputs) for part in range(role.parts)]
        for number, tensor in enumerate(cut.outputs(role.name)):
            tensors[tensor] = np.concatenate([part[number] for part in parts], axis=-1)
    (result,) = (tensors[tensor] for tensor in cut.inputs(INITIAL))
    return result.reshape(-1)
