"""One measured run on a farm: preflight, warm-up, window, the nodes' own counters."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.bench.energy import SETTLE_S, Phases
from harness.bench.ledger import Ledger
from harness.bench.load import ClosedLoop, Load, OpenLoop
from harness.bench.options import RunOptions
from harness.bench.preflight import ANSWER_S, Expected, require_nodes
from harness.bench.progress import Progress
from harness.bench.reference import Reference
from harness.errors import FarmError
from harness.initial import Initial, Payload
from harness.plan.plan import Placement, Plan
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, RemoteError, RpcError
from power.phases import PhaseName

_WATCH_S = 1.0
_HUNG_ANSWERS = 2
"""A node counts as hung after so many questions without an answer."""


@dataclass(frozen=True)
class FarmOutcome:
    """What a farm run yields.

    Attributes:
        run: identity of the run.
        ledger: account of the measured window.
        nodes: description and statistics of each node, in plan order.
        stale: results of other runs that were refused.
        in_flight: frames in flight of the closed loop, None for the open loop.
        cpu_s: CPU seconds of this process in the window.
    """

    run: str
    ledger: Ledger
    nodes: tuple[dict[str, Any], ...]
    stale: int
    in_flight: int | None
    cpu_s: float


async def run_on_farm(
    plan: Plan, options: RunOptions, reference: Reference, progress: Progress, meter: Phases
) -> FarmOutcome:
    """Measure a farm, with idle phases around the window where its energy is measured.

    Raises:
        FarmError: a node is down, hung or wrong, before or during the run; the message names it.
        BadInputError: the port of `initial` is taken.
    """
    return await _FarmRun(plan, options, reference, progress, meter).run()


def blocks_of(plan: Plan) -> dict[tuple[str, int], Any]:
    """The different blocks of a plan: (role, part) -> Block."""
    return {
        (role.name, part): plan.partition.block(role.name, part)
        for role in plan.partition.roles
        for part in range(role.parts)
    }


class _FarmRun:
    def __init__(
        self, plan: Plan, options: RunOptions, reference: Reference, progress: Progress, meter: Phases
    ) -> None:
        self._plan = plan
        self._options = options
        self._reference = reference
        self._progress = progress
        self._meter = meter
        self._run = ""
        self._in_flight = options.in_flight or options.most_in_flight(plan.partition.devices)
        self._images = [np.ascontiguousarray(image).data.cast("B") for image in reference.images]
        self._initial = Initial(plan, reference.model_fingerprint, self._result, self._failed)
        self._clients = {
            node: RpcClient(node.address.host, node.address.port, connect_timeout_s=ANSWER_S)
            for node in plan.placements
        }
        self._next_frame = 0
        self._ledger = Ledger(options.tolerance)
        self._load: Load | None = None
        self._heard = 0
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failure: FarmError | None = None

    async def run(self) -> FarmOutcome:
        progress, options = self._progress, self._options
        progress.phase("comparing fingerprints")
        blocks = blocks_of(self._plan)
        expected = Expected(
            self._reference.weights,
            self._reference.model_fingerprint,
            dict(zip(blocks, self._reference.block_fingerprints, strict=True)),
        )
        descriptions = await require_nodes(self._plan, expected)
        await self._initial.start()
        try:
            await self._warm_up()
            await self._idle("idle before")
            cpu_before_s = time.process_time()
            await self._window("measuring", options.frames, measured=True)
            cpu_s = time.process_time() - cpu_before_s
            statistics = await self._statistics()
            await self._idle("idle after")
        finally:
            await self._initial.close()
            await asyncio.gather(*(client.close() for client in self._clients.values()))
        nodes = tuple(
            {"description": description, "statistics": counted}
            for description, counted in zip(descriptions, statistics, strict=True)
        )
        closed = None if options.rate_fps is not None else self._in_flight
        return FarmOutcome(self._run, self._ledger, nodes, self._initial.stale, closed, cpu_s)

    async def _warm_up(self) -> None:
        """Warm-up frames, under which the meter finds its range."""
        loop = asyncio.get_running_loop()
        # Once the number in flight is too little: VGG16-11 was still 12 % slower in the window after it (measured).
        frames = 2 * self._in_flight if self._options.warmup is None else self._options.warmup
        until_s = loop.time() + self._meter.ranging_s
        while frames or loop.time() < until_s:
            await self._window("warm-up", frames or self._in_flight, measured=False)
            self._check_warmup()
            if loop.time() >= until_s:
                break
        await asyncio.to_thread(self._meter.fix_range)

    async def _idle(self, name: PhaseName) -> None:
        """Let the farm idle, its nodes loaded and asked nothing."""
        if self._meter.idle_s:
            self._progress.phase(name)
            await asyncio.sleep(SETTLE_S)
            with self._meter.phase(name):
                await asyncio.sleep(self._meter.idle_s)

    async def _window(self, name: str, frames: int, *, measured: bool) -> None:
        # A name for each window: what is late from the warm-up is refused, not counted.
        self._run = secrets.token_hex(8)
        await asyncio.gather(*(self._call(node, "begin", {"run": self._run}) for node in self._plan.placements))
        self._initial.begin_run(self._run)
        self._ledger = Ledger(self._options.tolerance)
        self._progress.phase(name, frames)
        rate_fps = self._options.rate_fps
        if measured and rate_fps is not None:
            load: Load = OpenLoop(self._send, frames, rate_fps)
        else:
            load = ClosedLoop(self._send, frames, self._in_flight)
        self._load = load
        self._over = asyncio.get_running_loop().create_future()
        watch = asyncio.create_task(self._watch())
        try:
            with self._meter.phase("run") if measured else nullcontext():
                load.start()
                await self._until_finished(load)
        finally:
            load.stop()
            watch.cancel()
        self._ledger.dropped = load.dropped

    async def _until_finished(self, load: Load) -> None:
        """Wait for the window's end or for silence; a frame by itself does not wake this task."""
        loop = asyncio.get_running_loop()
        heard, heard_s = self._heard, loop.time()
        while not load.finished and self._failure is None:
            await asyncio.wait({self._over}, timeout=_WATCH_S)
            if heard != self._heard:
                heard, heard_s = self._heard, loop.time()
            elif loop.time() - heard_s > self._options.stall_s:
                raise await self._explain_stall()
        if self._failure is not None:
            raise self._failure

    def _end_window(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _send(self, due_s: float | None) -> None:
        frame = self._next_frame
        self._next_frame += 1
        image = frame % len(self._images)
        sent_s = self._initial.send(frame, self._images[image])
        self._ledger.sent(frame, image, sent_s if due_s is None else due_s)

    def _result(self, frame: int, payload: Payload, arrived_s: float) -> None:
        image = self._ledger.image(frame)
        error = 0.0
        if image is not None:
            error = self._reference.error(image, np.frombuffer(payload, dtype=np.float32))
        if self._ledger.replied(frame, error, arrived_s) and self._load is not None:
            self._progress.frame()
            self._load.returned()
            if self._load.finished:
                self._end_window()
        self._heard += 1

    def _failed(self, frame: int, error: FarmError) -> None:
        self._fail(FarmError(f"frame {frame} could not be delivered: {error.message}", error.hint))

    def _fail(self, error: FarmError) -> None:
        self._failure = self._failure or error
        self._end_window()

    def _check_warmup(self) -> None:
        wrong = self._ledger.frames_distinct - self._ledger.frames_verified
        if wrong:
            raise FarmError(
                f"{wrong} of {self._ledger.frames_distinct} warm-up results differ from the single-device reference "
                f"(largest error {self._ledger.largest_error:.1e}, tolerance {self._options.tolerance:.0e})",
                "the nodes do not compute this model: compare their versions with `iot-farm doctor`",
            )

    # The nodes during a run

    async def _call(self, node: Placement, message: str, request: dict[str, Any]) -> Any:
        try:
            return await self._clients[node].call(message, request, timeout_s=ANSWER_S)
        except PeerUnreachableError as error:
            raise FarmError(
                f"node {node} went away: {error.message}", "look at its log; `iot-farm farm status` shows the others"
            ) from None
        except RpcError as error:
            raise FarmError(f"node {node}: {error.message}", error.hint) from None

    async def _watch(self) -> None:
        """See a node that died or hangs long before the stall limit."""
        await asyncio.gather(*(self._watch_one(node) for node in self._plan.placements))

    async def _watch_one(self, node: Placement) -> None:
        silent = 0
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                await self._clients[node].call("describe", {}, timeout_s=ANSWER_S)
                silent = 0
            except PeerTimeoutError:
                silent += 1
                if silent >= _HUNG_ANSWERS:
                    self._fail(
                        FarmError(
                            f"node {node} hangs: no answer for {silent * ANSWER_S:.0f} s during the run",
                            "look at its log, then stop and start it again",
                        )
                    )
            except RpcError as error:
                self._fail(FarmError(f"node {node} went away during the run: {error.message}", "look at its log"))

    async def _explain_stall(self) -> FarmError:
        """Say which nodes hold frames, from their own counters."""
        texts = []
        for node in self._plan.placements:
            try:
                counted = await self._clients[node].call("statistics", {"run": self._run}, timeout_s=ANSWER_S)
            except (RemoteError, RpcError) as error:
                texts.append(f"{node}: {error.message}")
                continue
            texts += counted["errors"][-1:]
        why = "; ".join(texts) if texts else "no node reports an error"
        return FarmError(f"no result for {self._options.stall_s:.0f} s: {why}", "a slow farm needs a longer --stall")

    async def _statistics(self) -> list[dict[str, Any]]:
        """Counters of all nodes, once the last acknowledgements have arrived."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + ANSWER_S
        while True:
            counted = await asyncio.gather(
                *(self._call(node, "statistics", {"run": self._run}) for node in self._plan.placements)
            )
            complete = all(self._delivered(node, entry) for node, entry in self._pairs(counted))
            if complete or loop.time() > give_up_s:
                return counted
            await asyncio.sleep(0.05)

    def _pairs(self, counted: list[dict[str, Any]]) -> list[tuple[Placement, dict[str, Any]]]:
        return list(zip(self._plan.placements, counted, strict=True))

    def _delivered(self, node: Placement, counted: dict[str, Any]) -> bool:
        copies = sum(
            len(self._plan.holders(target, 0))
            for tensor in self._plan.partition.outputs(node.role)
            for target in self._plan.partition.targets(tensor)
        )
        return bool(counted["sent"] >= counted["computed"] * copies)
