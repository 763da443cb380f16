"""The stock pattern as a farm: source and sink of frames for nodes that talk `avro.ipc` (see `stock_rpc`)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.child import Child
from benchmarks.contestant import BenchmarkError, Slot
from benchmarks.stock_rpc import StockServer, forward
from harness.models.frames import frame_pool
from harness.models.graph import FRAME
from harness.models.weights import SeededWeights, model_fingerprint
from harness.plan.plan import Plan
from harness.rpc.identity import Identity

TOLERANCE = 1e-6
"""Largest absolute difference to the reference that counts as equal, as in a farm run."""

_LOAD_S = 180.0
_FRAME_S = 60.0


class StockFarm:
    """Nodes of the stock pattern and a closed loop of frames through them.

    Args:
        plan: what runs where; its farm must have been read from a file.
        seed: seed of the weights and of the frames.
        references: outputs of the whole model, float32 (images, classes).
        frames: frames of a slot.
        in_flight: frames under way at once.
        logs: folder for what the nodes write.
    """

    name = "stock"
    meaning = "the same cut with stock `avro.ipc`, a new connection for each message, `model.predict`"

    def __init__(
        self,
        *,
        plan: Plan,
        seed: int,
        references: npt.NDArray[np.float32],
        frames: int,
        in_flight: int,
        logs: Path,
    ) -> None:
        graph = plan.partition.graph
        self._plan = plan
        self._seed = seed
        self._references = references
        self._images = frame_pool(seed, len(references), graph.input_shape)
        self._frames = frames
        self._in_flight = in_flight
        self._logs = logs
        self._fingerprint = model_fingerprint(graph, SeededWeights(seed).identity)
        self._nodes: list[Child] = []
        self._server: StockServer | None = None
        self._next_frame = 0
        self._sent_s: dict[int, float] = {}
        self._verified_s: dict[int, float] = {}
        self._wrong = 0
        self._room = threading.Semaphore(in_flight)

    def start(self) -> None:
        """Start the nodes and let every replica compute once."""
        for placement in self._plan.placements:
            arguments = ["--farm", self._plan.farm.source, "--partition", self._plan.partition.name]
            arguments += ["--address", str(placement.address), "--seed", str(self._seed)]
            log = self._logs / f"stock-{placement.address.host}.log"
            self._nodes.append(Child("benchmarks.stock_node", arguments, log))
        for node in self._nodes:
            node.answer(_LOAD_S)
        self._server = StockServer(self._plan.farm.initial, self._returned)
        self._send(2 * self._in_flight)

    def warm_up(self) -> None:
        """Send as many frames as may be under way."""
        self._send(min(self._frames, self._in_flight))

    def slot(self) -> Slot:
        """Send the frames of a slot, the next as soon as one has come back."""
        cpu_begin_s = self._cpu_s()
        frames = self._send(self._frames)
        cpu_s = self._cpu_s() - cpu_begin_s
        begin_s = min(self._sent_s[frame] for frame in frames)
        elapsed_s = max(self._verified_s[frame] for frame in frames) - begin_s
        latencies = [self._verified_s[frame] - self._sent_s[frame] for frame in frames]
        details = {"sent": len(frames), "wrong": self._wrong, "latency_p50_s": float(np.median(latencies))}
        return Slot(len(frames) / elapsed_s, len(frames), elapsed_s, cpu_s, details)

    def stop(self) -> None:
        """End the nodes."""
        while self._nodes:
            self._nodes.pop().close()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _cpu_s(self) -> float:
        return time.process_time() + sum(node.cpu_s for node in self._nodes)

    def _send(self, count: int) -> range:
        frames = range(self._next_frame, self._next_frame + count)
        self._next_frame += count
        with ThreadPoolExecutor(self._in_flight) as pool:
            sending = []
            for frame in frames:
                if not self._room.acquire(timeout=_FRAME_S):
                    raise BenchmarkError(f"the stock farm returned nothing for {_FRAME_S:.0f} s; see {self._logs}")
                sending.append(pool.submit(self._send_frame, frame))
        for sent in sending:
            sent.result()
        for _ in range(self._in_flight):
            if not self._room.acquire(timeout=_FRAME_S):
                raise BenchmarkError(f"the stock farm lost a frame: see {self._logs}")
        self._room.release(self._in_flight)
        if self._wrong:
            raise BenchmarkError(f"{self._wrong} outputs of the stock farm differ from the reference")
        return frames

    def _send_frame(self, frame: int) -> None:
        identity = Identity(run="stock", frame=frame, tensor=FRAME, part=0, parts=1, model=self._fingerprint)
        payload = self._images[frame % len(self._images)].tobytes()
        self._sent_s[frame] = time.perf_counter()
        for role in self._plan.partition.targets(FRAME):
            for address in self._plan.holders(role, frame):
                forward(address, payload, role, str(identity))

    def _returned(self, payload: bytes, _role: str, tag: str) -> None:
        frame = Identity.parse(tag).frame
        output = np.frombuffer(payload, np.float32)
        error = float(np.max(np.abs(output - self._references[frame % len(self._references)])))
        if frame in self._verified_s or not error <= TOLERANCE:
            self._wrong += 1
        self._verified_s[frame] = time.perf_counter()
        self._room.release()
