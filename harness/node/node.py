"""What a node answers: it takes parts of frames, joins them, computes, and forwards.

A message is acknowledged when it is queued, not when it is computed, so that a sender's connection is free for
the next frame. The queue is bounded: a full one answers "busy" and the sender tries again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.emulate.device import EmulatedDevice
from harness.emulate.farm import EmulatedFarm
from harness.emulate.links import Outgoing
from harness.emulate.published import PUBLISHED, protocol_of
from harness.errors import BadInputError, FarmError
from harness.farm.config import Address
from harness.node.intake import Intake, Payload
from harness.node.outlet import Outlet
from harness.node.seats import Seats, Stop
from harness.node.sliding_intake import SlidingIntake, Windows
from harness.node.statistics import RunStatistics
from harness.node.worker import Job, Outcome, Worker
from harness.partition.codec import UnfitError
from harness.partition.join import Offer
from harness.partition.partition import INITIAL
from harness.plan.plan import QUEUE_FRAMES, Placement, Plan
from harness.plan.table import Share, Table
from harness.records.canonical import canonical
from harness.records.environment import environment
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity
from harness.rpc.lane import BUSY, Parcel
from harness.rpc.outbox import Outbox
from harness.rpc.security import Security

Message = tuple[Address, str, memoryview, str]
"""Address, next role, payload, tag."""

_SILENT_S = 1.0
_ABANDONED_S = 10.0
"""A half that has waited for so long belongs to an attempt that came to nothing."""


class Node:
    """The handlers of one node; all of them run on the event loop and only enqueue.

    Args:
        plan: the run's plan.
        placement: this node's place in it.
        seats: what it holds, and where its outputs go.
        description: what `describe` answers (the Avro record NodeDescription).
        stop: called when somebody asks the node to end.
        core: the core that its computing thread keeps to; None leaves it to the system.
        security: the keys of mutual TLS; None speaks plain.
        farm: whose network is imitated; None sends at once.
        device: that is imitated.
    """

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        seats: Seats,
        description: dict[str, Any],
        stop: Callable[[], None],
        core: int | None = None,
        security: Security | None = None,
        farm: EmulatedFarm | None = None,
        device: EmulatedDevice | None = None,
    ) -> None:
        self._plan = plan
        self._placement = placement
        self._partition = plan.partition
        self._seats = seats
        self._description = description
        self._model = str(description["model_fingerprint"])
        self._stop = stop
        self._outlet = Outlet(self._partition, self._model)
        self._roles = frozenset(found.name for found in self._partition.roles)
        self._intakes: dict[str, Intake] = {}
        outbox = Outbox(security=security)
        self._links = None if farm is None else farm.links(outbox, placement.address)
        self._outbox: Outgoing = self._links or outbox
        self._late = (lambda: 0) if device is None else (lambda: device.late)
        self._windows: Windows = {}
        self._tally = threading.Lock()  # receipts are read by the worker's thread and by the event loop
        self._worker = Worker(self._computed, ahead=QUEUE_FRAMES, core=core, long_turns=device is None)
        self._run: RunStatistics | None = None

    # Messages of the protocol

    def describe(self) -> dict[str, Any]:
        """Say who this node is."""
        return self._description

    def environment(self) -> str:
        """The environment of this device as JSON."""
        return canonical(environment()).decode()

    def begin(self, run: str) -> None:
        """Start a run: frames of any other run are refused from now on, and the plan's table is in force."""
        self._run = RunStatistics(run, self._late)
        self._seats.begin()
        # Results of a run that was broken off must not reach the next one.
        self._outbox.forget()
        self._outlet.begin()
        self._intakes = {}
        if self._links is not None:
            self._links.begin(run)

    def seat(self, run: str, table: dict[str, Any]) -> None:
        """Take a table of the current run; what it asks of this node is loaded meanwhile."""
        self._of_run(run)
        try:
            found = Table.from_message(table, self._partition, self._placement.address.port)
        except BadInputError as error:
            raise RemoteError(f"{self._placement}: {error.message}") from None
        self._seats.seat(found)
        self._outbox.keep(found.devices | {self._plan.farm.initial})

    def state(self) -> dict[str, Any]:
        """How this node is: the Avro record NodeState."""
        run = self._run
        return {
            "run": "" if run is None else run.run,
            "epoch": self._seats.epoch,
            "held": [
                {"role": share.role, "part": share.part, "block_fingerprint": fingerprint}
                for share, fingerprint in self._seats.fingerprints.items()
            ],
            "waiting": self._held,
            "computed": 0 if run is None else run.computed,
            "unreachable": [str(address) for address in self._outbox.silent(_SILENT_S)],
            "error": self._seats.error,
        }

    def statistics(self, run: str) -> dict[str, Any]:
        """Counters and times of the current run."""
        self._outbox.settle()
        return self._of_run(run).to_message()

    def probe(self, input: Payload) -> int:  # noqa: A002  the protocol's name
        """Answer the size of what came, to time the way."""
        return len(input)

    def stop(self, reason: str) -> None:
        """End the node once this answer is sent."""
        del reason
        asyncio.get_running_loop().call_later(0.05, self._stop)

    def join(self, address: str) -> None:
        """Refused, as are the other messages to the source of a run."""
        del address
        self.watch()

    def leave(self, address: str) -> None:
        """Refused."""
        del address
        self.watch()

    def watch(self) -> str:
        """Refused."""
        raise RemoteError(f"{self._placement} is a node, not the source and sink of a run")

    def forward(self, input: Payload, next: str, tag: str) -> None:  # noqa: A002  the protocol's names
        """Take one part of one frame."""
        identity = Identity.parse(tag)
        statistics = self._of_run(identity.run)
        try:
            self._take(statistics, identity, input, next)
        except RemoteError as error:
            if not error.text.startswith(BUSY):
                statistics.refused += 1
                statistics.error(error.text)
            raise

    async def close(self) -> None:
        """Stop computing and sending."""
        self._seats.close()
        self._worker.close()
        await self._outbox.close()

    # From a message to a job

    def _of_run(self, run: str) -> RunStatistics:
        if self._run is None:
            raise RemoteError(f"{self._placement} has no run yet: send `begin` with the run's name first")
        current = self._run.run
        if current != run:
            raise RemoteError(f"{self._placement} serves run {current}, not {run}: another run has begun since")
        return self._run

    @property
    def _held(self) -> int:
        """Frames that are here and not computed."""
        return self._worker.waiting + sum(intake.waiting for intake in self._intakes.values())

    def _new_intake(self, role: str) -> Intake:
        """That of a role whose first message has come; the others of a long chain would be counted for every frame."""
        if role not in self._roles:
            raise RemoteError(f"{self._placement} does not compute role {role}")
        sliding = self._links is not None and self._run is not None and protocol_of(self._run.run) == PUBLISHED
        cut, windows = self._partition, self._windows
        intake = self._intakes[role] = SlidingIntake(cut, role, windows) if sliding else Intake(cut, role)
        return intake

    def _take(self, statistics: RunStatistics, identity: Identity, payload: Payload, role: str) -> None:
        intake = self._intakes.get(role) or self._new_intake(role)
        if identity.model != self._model:
            raise RemoteError(
                f"{self._placement} holds model {self._model}, the frame is of model {identity.model}: "
                "other weights, seed or layers"
            )
        try:
            stop = self._seats.stop(identity, role)
            intake.check(identity, payload)
            shares = stop.takers(identity)
        except RemoteError as error:
            raise RemoteError(f"{self._placement} {error.text}") from None
        now_s = time.monotonic()
        if not intake.has(identity):
            self._make_room(now_s)
        offer, inputs = intake.offer(identity, payload, now_s)
        if offer is Offer.DUPLICATE:
            statistics.duplicates += 1
            return
        statistics.received += 1
        statistics.bytes_in += len(payload)
        if offer is Offer.COMPLETE:
            for share in shares:
                self._queue(identity, share, stop, inputs, now_s)

    def _queue(
        self, identity: Identity, share: Share, stop: Stop, inputs: tuple[np.ndarray[Any, Any], ...], now_s: float
    ) -> None:
        block = self._seats.block(share)
        if block is None:
            raise RemoteError(f"{self._placement} has not loaded {share}")
        self._worker.put(Job(identity, share, block, stop.next_stops, inputs, now_s))

    def _make_room(self, now_s: float) -> None:
        if self._held < QUEUE_FRAMES:
            return
        for intake in self._intakes.values():
            intake.abandon(now_s - _ABANDONED_S)
        held = self._held
        if held >= QUEUE_FRAMES:
            raise RemoteError(f"{BUSY}: {self._placement} holds {held} frames")

    # From an outcome to the next nodes

    def _computed(self, outcome: Outcome) -> None:
        """Send what was computed; runs on the worker's thread, so that a result waits for nothing."""
        statistics = self._run  # once: the event loop may begin another run meanwhile
        if statistics is None or outcome.job.identity.run != statistics.run:
            self._worker.delivered()
            return
        if outcome.error:
            statistics.error(f"{self._placement}: {outcome.error}")
            self._worker.delivered()
            return
        statistics.frame(outcome.job.share, outcome.queue_s, outcome.compute_s)
        try:
            messages = self._messages(outcome)
        except UnfitError as error:
            statistics.error(f"{self._placement} could not send frame {outcome.job.identity.frame}: {error}")
            self._worker.delivered()
            return
        left = len(messages)
        if not left:  # rows that the next pool leaves out
            self._worker.delivered()
            return

        def done(error: FarmError | None) -> None:
            nonlocal left
            with self._tally:
                left -= 1
                if error is None:
                    statistics.sent += 1
                else:
                    statistics.error(f"{self._placement} could not deliver frame {outcome.job.identity.frame}: {error}")
                last = left == 0
            if last:
                self._worker.delivered()

        for address, role, payload, tag in messages:
            statistics.bytes_out += len(payload)
            self._outbox.put(address, Parcel(payload, role, tag, done))

    def _messages(self, outcome: Outcome) -> list[Message]:
        """Every message that a computed frame gives."""
        job = outcome.job
        initial = (self._plan.farm.initial,)
        return [
            (address, target.role if isinstance(target, Share) else target, payload, tag)
            for target, payload, tag in self._outlet.messages(job.identity, job.share, outcome.outputs)
            for address in (initial if target == INITIAL else job.next_stops[target])
        ]
