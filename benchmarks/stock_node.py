"""One node of the stock pattern: computes with `model.predict` inside the handler, under a lock.

The partition, the weights and the frames are the engine's own; only the way to talk and to compute differs.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.child import say
from benchmarks.stock_rpc import StockServer, forward
from harness.farm.config import NODE_PORT, Address, FarmConfig
from harness.models.weights import SeededWeights
from harness.partition.join import Join, Offer
from harness.partition.paper import partition
from harness.plan.plan import Placement, Plan, make_plan
from harness.rpc.identity import Identity
from harness.runtime.device import configure
from harness.runtime.keras_block import build_keras_model


class StockNode:
    """Takes parts of frames, joins them by identity, predicts, and sends each result from a new thread."""

    def __init__(self, plan: Plan, placement: Placement, seed: int) -> None:
        self._plan = plan
        self._placement = placement
        self._partition = plan.partition
        block = self._partition.block(placement.role, placement.part)
        self._model: Any = build_keras_model(block, SeededWeights(seed))
        self._inputs = block.inputs
        (self._output,) = block.outputs
        self._join: Join[int, bytes] = Join(self._partition.slots(placement.role))
        self._lock = threading.Lock()
        self._predict([np.zeros(self._shape(name), self._dtype(name)) for name in self._inputs])

    def take(self, payload: bytes, role: str, tag: str) -> None:
        """Handle one message; returns when the frame, if it is complete, is computed."""
        assert role == self._placement.role
        identity = Identity.parse(tag)
        with self._lock:
            offer = self._join.offer(identity.frame, (identity.tensor, identity.part), payload)
            if offer is not Offer.COMPLETE:
                return
            result = self._predict(self._assemble(self._join.take(identity.frame)))
        self._send(identity, result.tobytes())

    def _send(self, identity: Identity, payload: bytes) -> None:
        tag = str(
            Identity(
                run=identity.run,
                frame=identity.frame,
                tensor=self._output,
                part=self._placement.part,
                parts=self._placement.parts,
                model=identity.model,
            )
        )
        for role in self._partition.targets(self._output):
            for address in self._plan.holders(role, identity.frame):
                threading.Thread(target=forward, args=(address, payload, role, tag), daemon=True).start()

    def _predict(self, inputs: list[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        batches = [array[np.newaxis] for array in inputs]
        # A model with one output answers an array or a list of one, depending on how it was built.
        predicted = self._model.predict(batches if len(batches) > 1 else batches[0], batch_size=1, verbose=0)
        result: npt.NDArray[np.float32] = (predicted[0] if isinstance(predicted, list) else predicted)[0]
        return result

    def _assemble(self, payloads: list[bytes]) -> list[npt.NDArray[Any]]:
        remaining = iter(payloads)
        return [
            np.concatenate(
                [
                    np.frombuffer(next(remaining), self._dtype(name)).reshape(self._partition.message_shape(name))
                    for _ in range(self._partition.parts_of(name))
                ],
                axis=-1,
            )
            for name in self._inputs
        ]

    def _shape(self, tensor: str) -> tuple[int, ...]:
        return self._partition.graph.shape(tensor)

    def _dtype(self, tensor: str) -> str:
        return self._partition.graph.dtype(tensor)


def main() -> None:
    """Build the block, listen, say so, and serve until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--farm", type=Path, required=True)
    parser.add_argument("--partition", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()

    configure("cpu", 1)
    plan = make_plan(partition(options.partition), FarmConfig.load(options.farm))
    address = Address.parse(options.address, NODE_PORT)
    node = StockNode(plan, plan.at(address), options.seed)
    server = StockServer(address, node.take)
    say({"ready": str(address)})
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main()
