"""A node to attack: the last of the AlexNet farm, with ourselves as its initial, so that a good frame shows its result.

`real_node` is a process as `iot-farm node` starts it; `inner_node` has the same handlers on a thread of this process,
with a stand-in for the block, for tests that cannot wait for TensorFlow.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from benchmarks.audit.bad_input_wire import PATIENCE_S, exchange, forward_message, framed, post, said
from benchmarks.stand_ins.blocks import StandIn
from harness.farm.config import FarmConfig
from harness.node.node import Node
from harness.node.serve import seats_of
from harness.partition.paper import partition
from harness.partition.partition import INITIAL
from harness.partition.wire import Wire
from harness.plan.plan import Placement, Plan, make_plan
from harness.plan.table import shares_of
from harness.rpc.client import RpcClient
from harness.rpc.identity import Identity
from harness.rpc.limits import Limits
from harness.rpc.server import Handlers, RpcServer

RUN: Final = "audit"
PARTITION: Final = "alexnet-5"
ROLE: Final = "block3"
"""Takes two halves, so that a part may be out of its range, and sends one result to the initial."""
_READY_S: Final = 180.0
_MOST_RESULT_BYTES: Final = 1_000_000
_MODEL: Final = "stand-in"


@dataclass(frozen=True)
class Target:
    """The node that is attacked.

    Attributes:
        placement: its share of the plan.
        plan: of the farm.
        pid: of its process.
        model: fingerprint that it wants.
        limits: of its server.
        log: what its process wrote; empty where it has none of its own.
    """

    placement: Placement
    plan: Plan
    pid: int
    model: str
    limits: Limits
    log: Path | None = None

    @property
    def address(self) -> tuple[str, int]:
        """What a socket connects to."""
        return self.placement.address.host, self.placement.address.port

    @property
    def tensor(self) -> str:
        """The tensor that it takes in parts."""
        return self.plan.partition.slots(ROLE)[0][0]

    @property
    def parts(self) -> int:
        """Number of parts."""
        return self.plan.partition.parts_of(self.tensor)

    @property
    def part_bytes(self) -> int:
        """Length of a part."""
        return self.plan.partition.message_bytes(self.tensor)

    def tag(self, frame: int = 0, part: int = 0, wire: Wire = Wire.F32) -> str:
        """A good tag."""
        return str(Identity(RUN, frame, self.tensor, part, self.parts, self.model, wire=wire))

    def traceback_lines(self) -> list[str]:
        """What its log holds of errors that nobody foresaw."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log else []
        return [line for line in lines if "Traceback" in line or " ERROR " in line or "Error:" in line]


class Frames:
    """Good frames, one behind the other, each with its result.

    Args:
        target: the node.
        results: where the tag and the digest of each result arrive.
    """

    def __init__(self, target: Target, results: queue.SimpleQueue[tuple[str, bytes]]) -> None:
        self._target = target
        self._results = results
        self._numbers = itertools.count()
        self._expected: bytes | None = None
        rows = np.linspace(-1, 1, target.part_bytes // 4 * target.parts, dtype="<f4").reshape(target.parts, -1)
        self._payloads = [part.tobytes() for part in rows]

    def send_one(self) -> tuple[float, str]:
        """Send the next good frame and wait for what comes of it.

        Returns:
            Seconds from the first byte to the result, and what was wrong with it ("" if nothing).
        """
        frame, begin = next(self._numbers), time.perf_counter()
        for part, payload in enumerate(self._payloads):
            message = forward_message(payload, ROLE, self._target.tag(frame, part))
            try:
                answer = exchange(self._target.address, [post(framed(message))])
            except OSError as error:
                return time.perf_counter() - begin, f"no connection: {error}"
            if answer is None or answer[0] != 200 or said(answer):
                return time.perf_counter() - begin, f"answered {answer!r:.200}"
        try:
            while True:
                tag, digest = self._results.get(timeout=PATIENCE_S)
                if Identity.parse(tag).frame == frame:
                    break
        except queue.Empty:
            return time.perf_counter() - begin, "acknowledged, and no result came"
        self._expected = self._expected or digest
        return time.perf_counter() - begin, "" if digest == self._expected else "another result than the first"


class _Results:
    """The initial, as far as it takes results; it hears no other message."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002  names of the wire
        """Keep what came."""
        assert next == INITIAL
        self.queue.put((tag, hashlib.sha256(input).digest()))


@contextmanager
def real_node(folder: Path) -> Iterator[tuple[Target, Frames]]:
    """A node process, ready and within a run.

    Args:
        folder: takes farm file and log.

    Raises:
        RuntimeError: it does not get ready.
    """
    plan, placement = _plan(folder)
    command = [sys.executable, "-m", "harness", "node", "--target", plan.farm.source, "--partition", PARTITION]
    command += ["--address", str(placement.address), "--threads", "1", "--stop-on-eof"]
    log, results = folder / "node.log", _Results()
    limits = Limits.for_input(plan.partition.largest_message_bytes)
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stream, stderr=stream, env=os.environ) as process,
        _loop() as loop,
    ):
        try:
            sink = RpcServer(cast("Handlers", results), Limits.for_input(_MOST_RESULT_BYTES))
            loop.call(sink.start((plan.farm.initial.host, plan.farm.initial.port)))
            until = time.monotonic() + _READY_S
            while "ready: " not in log.read_text("utf-8", "replace"):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the node did not get ready:\n{log.read_text('utf-8', 'replace')}")
                time.sleep(0.1)
            description = loop.call(_begin(placement))
            target = Target(placement, plan, process.pid, description["model_fingerprint"], limits, log)
            yield target, Frames(target, results.queue)
            loop.call(sink.close())
        finally:
            process.terminate()


@contextmanager
def inner_node(folder: Path, **limits: float) -> Iterator[tuple[Target, Frames]]:
    """The handlers of a node behind a server of this process, within a run.

    Args:
        folder: takes the farm file.
        limits: fields of `Limits` that are not as for a real node.
    """
    plan, placement = _plan(folder)
    results = _Results()
    most = Limits.for_input(plan.partition.largest_message_bytes).max_message_bytes
    chosen = Limits(**({"max_message_bytes": most} | limits))  # type: ignore[arg-type]
    target = Target(placement, plan, os.getpid(), _MODEL, chosen)

    async def start() -> tuple[RpcServer, RpcServer, Node]:
        blocks = {share: StandIn(plan.partition, share) for share in shares_of(plan.partition)}
        seats = seats_of(plan, placement, dict(blocks), blocks.__getitem__)
        node = Node(plan, placement, seats, {"model_fingerprint": _MODEL}, _nothing)
        sink = RpcServer(cast("Handlers", results), Limits.for_input(_MOST_RESULT_BYTES))
        await sink.start((plan.farm.initial.host, plan.farm.initial.port))
        server = RpcServer(node, chosen)
        await server.start(target.address)
        node.begin(RUN)
        return server, sink, node

    with _loop() as loop:
        server, sink, node = loop.call(start())
        try:
            yield target, Frames(target, results.queue)
        finally:
            for end in (server.close(), node.close(), sink.close()):
                loop.call(end)


def _nothing() -> None:
    """Nobody ends this node."""


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()

    def call(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """Run it there, and return its result."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(_READY_S)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()


@contextmanager
def _loop() -> Iterator[_Loop]:
    with contextlib.closing(_Loop()) as loop:
        yield loop


async def _begin(placement: Placement) -> dict[str, Any]:
    client = RpcClient(placement.address.host, placement.address.port)
    try:
        described: dict[str, Any] = await client.call("describe", {}, PATIENCE_S)
        await client.call("begin", {"run": RUN}, PATIENCE_S)
    finally:
        await client.close()
    return described


def _plan(folder: Path) -> tuple[Plan, Placement]:
    cut = partition(PARTITION)
    with contextlib.ExitStack() as stack:
        # Held together so that they differ; loopback addresses of this process, for audits may run side by side.
        host = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250 + 1}.7"
        sockets = [stack.enter_context(socket.socket()) for _ in range(cut.devices)]
        for sock in sockets:
            sock.bind((host, 0))
        ports = iter([sock.getsockname()[1] for sock in sockets])
        roles = {INITIAL: [f"{host}:{next(ports)}"]}
        roles |= {role.name: [f"{host}:{next(ports)}" for _ in range(role.nodes)] for role in cut.roles}
    file = folder / "farm.json"
    file.write_text(json.dumps({"node": roles}))
    plan = make_plan(cut, FarmConfig.load(file))
    return plan, next(placement for placement in plan.placements if placement.role == ROLE)
