"""Blocks that give numbers which depend on every byte of their inputs, and on nothing else."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable

import numpy as np

from harness.node.blocks import BlockSource, NodeOptions
from harness.node.worker import Array
from harness.partition.partition import Partition
from harness.plan.plan import Plan
from harness.plan.table import Share

WEIGHTS, MODEL = "stand-in", "57a4d1457a4d1457"
"""The second is no digest of anything: it only has the form of a fingerprint."""


class StandIn:
    """The block of a share that computes nothing of the model.

    Args:
        cut: gives the shapes of the outputs.
        share: what it stands for.
        service_s: how long a frame takes.
    """

    def __init__(self, cut: Partition, share: Share, service_s: float = 0.0) -> None:
        self.fingerprint = f"stand-in-{share.role}-{share.part}"
        self._share = share
        self._service_s = service_s
        self._shapes = [cut.message_shape(tensor) for tensor in cut.outputs(share.role)]

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """One float32 array for each output, uniform in 0 to 1, from a digest of all inputs."""
        if self._service_s:
            time.sleep(self._service_s)
        digest = hashlib.blake2b(str(self._share).encode())
        for array in inputs:
            digest.update(np.ascontiguousarray(array).data)
        chance = np.random.default_rng(int.from_bytes(digest.digest()[:16]))
        return tuple(chance.random(shape, dtype=np.float32) for shape in self._shapes)


def stand_in_blocks(service_s: float) -> Callable[[Plan, NodeOptions], BlockSource]:
    """Where a node's blocks come from, for `harness.node.serve.serve`."""

    def source(plan: Plan, options: NodeOptions) -> BlockSource:
        del options
        return BlockSource(
            load=lambda share: StandIn(plan.partition, share, service_s),
            weights=WEIGHTS,
            model=MODEL,
            runtime="stand-in blocks",
        )

    return source


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
