"""What a node answers: it takes parts of frames, joins them, computes, and forwards.

A message is acknowledged when it is queued, not when it is computed, so that a sender's connection is free for
the next frame. The queue is bounded: a full one answers "busy" and the sender tries again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.errors import FarmError
from harness.farm.config import Address
from harness.node.statistics import RunStatistics
from harness.node.worker import Array, Job, Outcome, Worker
from harness.partition.join import Join, Offer
from harness.plan.plan import QUEUE_FRAMES, Placement, Plan
from harness.records.canonical import canonical
from harness.records.environment import environment
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity
from harness.rpc.lane import BUSY, Parcel
from harness.rpc.outbox import Outbox
from harness.rpc.security import Security

Payload = bytes | memoryview
Tagger = Callable[[int], str]


@dataclass(frozen=True)
class _Run:
    """The run in progress: its statistics, and what makes the tags of each output."""

    statistics: RunStatistics
    tags: tuple[Tagger, ...]


class ComputedBlock(Protocol):
    """A loaded block: arrays in, arrays out, without the batch axis."""

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Compute one frame."""
        ...


class Node:
    """The handlers of one node; all of them run on the event loop and only enqueue.

    Args:
        plan: the run's plan; the node finds its next addresses in it.
        placement: this node's share.
        block: the loaded block.
        description: what `describe` answers (the Avro record NodeDescription).
        stop: called when somebody asks the node to end.
        core: the core that its computing thread keeps to; None leaves it to the system.
        security: the keys of mutual TLS; None speaks plain.
    """

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        block: ComputedBlock,
        description: dict[str, Any],
        stop: Callable[[], None],
        core: int | None = None,
        security: Security | None = None,
    ) -> None:
        self._plan = plan
        self._placement = placement
        self._partition = plan.partition
        self._description = description
        self._model = str(description["model_fingerprint"])
        self._stop = stop
        self._slots = self._partition.slots(placement.role)
        self._outputs = self._partition.outputs(placement.role)
        # Worked out once: every frame asks for them.
        self._parts = {tensor: self._partition.parts_of(tensor) for tensor, _ in self._slots}
        self._message_bytes = {tensor: self._partition.message_bytes(tensor) for tensor in self._parts}
        self._pieces = [
            (np.dtype(self._partition.graph.dtype(tensor)), self._partition.message_shape(tensor), self._parts[tensor])
            for tensor in self._partition.inputs(placement.role)
        ]
        self._outbox = Outbox(security=security)
        self._tally = threading.Lock()  # receipts are read by the worker's thread and by the event loop
        self._worker = Worker(block, self._computed, ahead=QUEUE_FRAMES, core=core)
        self._run: _Run | None = None
        self._join: Join[Payload] = Join(self._slots)

    # Messages of the protocol

    def describe(self) -> dict[str, Any]:
        """Say who this node is."""
        return self._description

    def environment(self) -> str:
        """The environment of this device as JSON."""
        return canonical(environment()).decode()

    def begin(self, run: str) -> None:
        """Start a run: frames of any other run are refused from now on."""
        part, parts = self._placement.part, self._placement.parts
        tags = tuple(Identity(run, 0, tensor, part, parts, self._model).tags() for tensor in self._outputs)
        self._run = _Run(RunStatistics(run), tags)
        # Results of a run that was broken off must not reach the next one.
        self._outbox.forget()
        self._join = Join(self._slots)

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
        self._worker.close()
        await self._outbox.close()

    # From a message to a job

    def _of_run(self, run: str) -> RunStatistics:
        if self._run is None:
            raise RemoteError(f"{self._placement} has no run yet: send `begin` with the run's name first")
        current = self._run.statistics
        if current.run != run:
            raise RemoteError(f"{self._placement} serves run {current.run}, not {run}: another run has begun since")
        return current

    def _take(self, statistics: RunStatistics, identity: Identity, payload: Payload, role: str) -> None:
        slot = (identity.tensor, identity.part)
        if role != self._placement.role:
            raise RemoteError(f"{self._placement} does not compute role {role}")
        if identity.model != self._model:
            raise RemoteError(
                f"{self._placement} holds model {self._model}, the frame is of model {identity.model}: "
                "other weights, seed or layers"
            )
        if not self._join.expects(slot) or identity.parts != self._parts[identity.tensor]:
            raise RemoteError(
                f"{self._placement} expects {self._slots}, not {identity.tensor} part "
                f"{identity.part} of {identity.parts}"
            )
        expected = self._message_bytes[identity.tensor]
        if len(payload) != expected:
            raise RemoteError(
                f"{self._placement} expects {expected} bytes of {identity.tensor}, not {len(payload)} bytes"
            )
        held = self._worker.waiting + self._join.waiting
        if held >= QUEUE_FRAMES and not self._join.has(identity.frame):
            raise RemoteError(f"{BUSY}: {self._placement} holds {held} frames")
        offer = self._join.offer(identity.frame, slot, payload)
        if offer is Offer.DUPLICATE:
            statistics.duplicates += 1
            return
        statistics.received += 1
        statistics.bytes_in += len(payload)
        if offer is Offer.COMPLETE:
            inputs = self._assemble(self._join.take(identity.frame))
            self._worker.put(Job(identity.run, identity.frame, inputs, time.monotonic()))

    def _assemble(self, payloads: list[Payload]) -> tuple[Array, ...]:
        inputs: list[Array] = []
        remaining = iter(payloads)
        for dtype, shape, parts in self._pieces:
            pieces = [np.frombuffer(next(remaining), dtype=dtype).reshape(shape) for _ in range(parts)]
            inputs.append(pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1))
        return tuple(inputs)

    # From an outcome to the next nodes

    def _computed(self, outcome: Outcome) -> None:
        """Send what was computed; runs on the worker's thread, so that a result waits for nothing."""
        run = self._run  # once: the event loop may begin another run meanwhile
        if run is None or outcome.job.run != run.statistics.run:
            self._worker.delivered()
            return
        statistics = run.statistics
        if outcome.error:
            statistics.error(f"{self._placement}: {outcome.error}")
            self._worker.delivered()
            return
        statistics.frame(outcome.queue_s, outcome.compute_s)
        messages = self._messages(outcome, run.tags)
        left = len(messages)

        def done(error: FarmError | None) -> None:
            nonlocal left
            with self._tally:
                left -= 1
                if error is None:
                    statistics.sent += 1
                else:
                    statistics.error(f"{self._placement} could not deliver frame {outcome.job.frame}: {error}")
                last = left == 0
            if last:
                self._worker.delivered()

        for address, role, payload, tag in messages:
            statistics.bytes_out += len(payload)
            self._outbox.put(address, Parcel(payload, role, tag, done))

    def _messages(self, outcome: Outcome, tags: tuple[Tagger, ...]) -> list[tuple[Address, str, memoryview, str]]:
        """Address, next role, payload and tag of every message that a computed frame gives."""
        messages: list[tuple[Address, str, memoryview, str]] = []
        frame = outcome.job.frame
        for tensor, tag_of, output in zip(self._outputs, tags, outcome.outputs, strict=True):
            payload = np.ascontiguousarray(output).data.cast("B")
            tag = tag_of(frame)
            messages += [(address, role, payload, tag) for role, address in self._plan.ways(tensor, frame)]
        return messages
