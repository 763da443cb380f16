"""One measured run on a farm: preflight, warm-up, window, the nodes' own counters."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.bench.account import Account
from harness.bench.crew import WARMUP_DEADLINE_S, AdaptingCrew, SteadyCrew, fixed_deadline_s
from harness.bench.devices import farm_devices
from harness.bench.energy import SETTLE_S, Phases
from harness.bench.ledger import Ledger
from harness.bench.load import Burst, ClosedLoop, Load, OpenLoop
from harness.bench.options import RunOptions
from harness.bench.preflight import Expected
from harness.bench.progress import Progress
from harness.bench.reference import Reference
from harness.emulate.farm import EmulatedFarm
from harness.emulate.published import PUBLISHED, REPLIES_PER_FRAME, Reply, run_name
from harness.errors import FarmError
from harness.initial import Initial, Payload
from harness.plan.plan import Plan
from power.phases import PhaseName

_WATCH_S = 1.0
_PUBLISHED_WARMUP = 2
_PUBLISHED_SETTLE_S = 1.0


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
        adapted: what changed in the farm, and what was sent again; None where the farm had to stay as it was.
        replies: every reply of a run by the published protocol, in the order in which they came; else none.
    """

    run: str
    ledger: Ledger
    nodes: tuple[dict[str, Any], ...]
    stale: int
    in_flight: int | None
    cpu_s: float
    adapted: dict[str, Any] | None
    replies: tuple[Reply, ...] = ()


async def run_on_farm(
    plan: Plan,
    options: RunOptions,
    reference: Reference,
    progress: Progress,
    meter: Phases,
    account: Account,
    emulated: EmulatedFarm | None = None,
) -> FarmOutcome:
    """Measure a farm, with idle phases around the window where its energy is measured.

    Args:
        plan: roles on addresses.
        options: what to measure.
        reference: the right answers.
        progress: is told where the run is.
        meter: of the run's energy.
        account: is kept up to date.
        emulated: whose network the frames pass; None sends them at once.

    Raises:
        FarmError: a node is down, hung or wrong, before or during the run; the message names it. With
            `options.adapt` only a node that is another one, or the loss of all.
        BadInputError: the port of `initial` is taken.
    """
    return await _FarmRun(plan, options, reference, progress, meter, account, emulated).run()


def blocks_of(plan: Plan) -> dict[tuple[str, int], Any]:
    """The different blocks of a plan: (role, part) -> Block."""
    return {
        (role.name, part): plan.partition.block(role.name, part)
        for role in plan.partition.roles
        for part in range(role.parts)
    }


class _FarmRun:
    def __init__(
        self,
        plan: Plan,
        options: RunOptions,
        reference: Reference,
        progress: Progress,
        meter: Phases,
        account: Account,
        emulated: EmulatedFarm | None,
    ) -> None:
        self._emulated = emulated
        self._account = account
        self._plan = plan
        self._options = options
        self._reference = reference
        self._progress = progress
        self._meter = meter
        self._run = self._phase = ""
        self._in_flight = options.in_flight or options.most_in_flight(plan.partition.devices)
        self._images = [np.ascontiguousarray(image).data.cast("B") for image in reference.images]
        member = self._member if options.adapt else None
        self._initial = Initial(
            plan, reference.model_fingerprint, self._result, self._failed, member, self._state, emulated
        )
        self._crew = (
            AdaptingCrew(plan, self._initial, progress.note) if options.adapt else SteadyCrew(plan, self._initial)
        )
        self._deadline_s = WARMUP_DEADLINE_S
        self._next_frame = 0
        self._ledger = Ledger(options.tolerance)
        self._load: Load | None = None
        self._heard = 0
        self._replies: list[Reply] = []
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
            options.runtime,
            options.precision,
            self._emulated.identity if self._emulated else "",
        )
        try:
            before = await self._crew.start(expected)
            self._account.devices = farm_devices(self._plan, before, None)
            await self._initial.start()
            if self._emulated is not None:
                self._emulated.clear()
            await self._warm_up()
            self._deadline_s = fixed_deadline_s(self._ledger.latencies_s())
            await self._idle("idle before")
            cpu_before_s = time.process_time()
            await self._window("measuring", options.frames, measured=True)
            cpu_s = time.process_time() - cpu_before_s
            nodes = await self._crew.after(self._run)
            adapted = self._crew.adapted(self._ledger.begun_s)
            await self._idle("idle after")
            self._account.devices = farm_devices(self._plan, before, await self._crew.look())
        finally:
            self._account.adapted = self._crew.adapted(self._ledger.begun_s)
            await self._initial.close()
            await self._crew.close()
        closed = None if options.rate_fps is not None or self._published else self._in_flight
        return FarmOutcome(
            self._run, self._ledger, nodes, self._initial.stale, closed, cpu_s, adapted, tuple(self._replies)
        )

    @property
    def _published(self) -> bool:
        return self._options.protocol == PUBLISHED

    async def _warm_up(self) -> None:
        """Warm-up frames, under which the meter finds its range."""
        if self._published:
            await self._window("warm-up", self._options.warmup or _PUBLISHED_WARMUP, measured=False)
            # A farm that is not cold gives one reply more.
            await asyncio.sleep(_PUBLISHED_SETTLE_S)
            return
        # Once the number in flight is too little: VGG16-11 was still 12 % slower in the window after it (measured).
        frames = 2 * self._in_flight if self._options.warmup is None else self._options.warmup
        until_s = time.monotonic() + self._meter.ranging_s
        while frames or time.monotonic() < until_s:
            await self._window("warm-up", frames or self._in_flight, measured=False)
            self._check_warmup()
            if time.monotonic() >= until_s:
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
        self._run = run_name(self._options.protocol)
        await self._crew.begin(self._run, self._deadline_s)
        self._ledger = Ledger(self._options.tolerance)
        self._replies = []
        if measured:
            self._account.run, self._account.ledger = self._run, self._ledger
        self._phase = name
        self._progress.phase(name, None if measured and self._options.least_s else frames)
        rate_fps = self._options.rate_fps
        load: Load
        if self._published:
            load = Burst(self._send, frames, REPLIES_PER_FRAME * frames - (0 if measured else 1))
        elif measured and rate_fps is not None:
            load = OpenLoop(self._send, frames, rate_fps)
        else:
            load = ClosedLoop(self._send, frames, self._in_flight, self._options.least_s if measured else 0.0)
        self._load = load
        self._over = asyncio.get_running_loop().create_future()
        try:
            async with self._crew.watching(self._fail):
                with self._meter.phase("run") if measured else nullcontext():
                    load.start()
                    await self._until_finished(load)
        finally:
            load.stop()
        self._ledger.dropped = load.dropped

    async def _until_finished(self, load: Load) -> None:
        """Wait for the window's end or for silence; a frame by itself does not wake this task."""
        heard, heard_s = self._heard, time.monotonic()
        while not load.finished and self._failure is None:
            await asyncio.wait({self._over}, timeout=_WATCH_S)
            if heard != self._heard:
                heard, heard_s = self._heard, time.monotonic()
            elif time.monotonic() - heard_s > self._options.stall_s:
                raise await self._crew.explain_stall(self._run, self._options.stall_s)
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
        load = self._load
        if isinstance(load, Burst):
            at_s = arrived_s - self._ledger.begun_s
            self._replies.append(Reply(frame, at_s, image is not None and error <= self._options.tolerance))
            load.replied()
        if self._ledger.replied(frame, error, arrived_s) and load is not None:
            self._progress.frame()
            load.returned()
        if load is not None and load.finished:
            self._end_window()
        self._heard += 1

    def _failed(self, frame: int, error: FarmError) -> None:
        self._crew.undelivered(frame, error, self._fail)

    def _member(self, address: str, wanted: bool) -> None:
        assert isinstance(self._crew, AdaptingCrew)
        if self._crew.adapting is not None:
            self._crew.adapting.member(address, wanted)

    def _state(self) -> dict[str, Any]:
        """What `farm watch` shows."""
        return self._crew.state() | {
            "run": self._run,
            "phase": self._phase,
            "frames_sent": self._ledger.frames_sent,
            "frames_returned": self._ledger.frames_returned,
            "frames_verified": self._ledger.frames_verified,
            "in_flight": self._initial.dispatcher.in_flight,
            "sent_again": self._initial.dispatcher.resent,
            "late": self._initial.dispatcher.late,
        }

    def _fail(self, error: FarmError) -> None:
        self._failure = self._failure or error
        self._end_window()

    def _check_warmup(self) -> None:
        wrong = self._ledger.frames_distinct - self._ledger.frames_verified
        # Who asked for less than float32 shall learn by how much it errs: the run goes on, and its verdict says so.
        if wrong and self._options.precision == "f32":
            raise FarmError(
                f"{wrong} of {self._ledger.frames_distinct} warm-up results differ from the single-device reference "
                f"(largest error {self._ledger.largest_error:.1e}, tolerance {self._options.tolerance:.0e})",
                "the nodes do not compute this model: compare their versions with `iot-farm doctor`",
            )
