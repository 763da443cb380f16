"""A node under a simulated clock: what it has, joins, queues, computes and sends on."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import simpy

from harness.dispatch import Send
from harness.farm.config import Address
from harness.partition.join import Join, Offer
from harness.partition.message import Message
from harness.partition.partition import INITIAL, Partition
from harness.plan.plan import QUEUE_FRAMES
from harness.plan.table import Share, Table
from harness.simulate.cores import Processor

Key = tuple[int, int]
"""A frame and the attempt at it: what parts are joined by."""
_REMEMBERED = 4096
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1
"""As a lane waits when a node is busy (`harness.rpc.lane`)."""


class Post(Protocol):
    """Hands a message to the network."""

    def __call__(self, source: Address | None, target: Address | None, send: Send, message: Message) -> None:
        """Send from and to a device, or the initial where it is None."""
        ...


class SimulatedNode:
    """One device.

    Args:
        env: the clock.
        address: its name.
        partition: what the farm computes.
        table: in force at the begin.
        processor: what computes for it.
        core: that its computing thread keeps to; None is any.
        compute_s: share -> mean seconds for a frame.
        spread: a time around its mean.
        message_s: processor time of each message that is taken or sent.
        apart: messages are taken by a thread of its own beside the one that computes.
        post: sends on.
    """

    def __init__(
        self,
        env: simpy.Environment,
        address: Address,
        partition: Partition,
        table: Table,
        processor: Processor,
        core: int | None,
        compute_s: Callable[[Address, Share], float],
        spread: Callable[[float], float],
        message_s: float,
        apart: bool,
        post: Post,
    ) -> None:
        self._env, self.address, self._partition = env, address, partition
        self._processor, self._core = processor, core
        self._compute_s, self._spread, self._post = compute_s, spread, post
        self._message_s, self._apart = message_s, apart
        self.busy_s = 0.0
        self.computed = 0
        self.refused_busy = 0
        self._life = 0
        self.tables: dict[int, Table] = {}
        self._start(table)
        self.held: set[Share] = set(table.held_by(address))

    @property
    def frames_held(self) -> int:
        """Frames that are here: in parts, waiting, or in work."""
        return sum(join.waiting for join in self._joins.values()) + len(self._jobs) + self._working

    def fail(self) -> None:
        """Lose power, and with it everything."""
        self.alive = False
        self._life += 1
        self.held = set()
        if self._process.is_alive:
            self._process.interrupt()

    def restart(self) -> None:
        """Come back with nothing: no table, no block, no frame."""
        self._start(None)

    def take(self, send: Send, message: Message, pause_s: float = _FIRST_PAUSE_S) -> None:
        """A message has arrived; where the queue is full it comes again, as a sender tries again."""
        table = self.tables.get(send.epoch)
        if not self.alive or table is None:
            return
        key, join = (send.frame, send.attempt), self._join_of(message)
        if self.frames_held >= QUEUE_FRAMES and not join.has(key):
            self.refused_busy += 1
            self._after(pause_s, lambda: self.take(send, message, min(2 * pause_s, _LONGEST_PAUSE_S)))
            return
        if not (self._apart and self._message_s):
            self._joined(join, key, send, message, table)
            return
        life = self._life
        read = self._processor.work(self._message_s, urgent=True)
        assert read.callbacks is not None
        read.callbacks.append(lambda _: self._joined(join, key, send, message, table) if life == self._life else None)

    def _joined(self, join: Join[Key, None], key: Key, send: Send, message: Message, table: Table) -> None:
        if join.offer(key, (message.tensor, message.part), None) is not Offer.COMPLETE:
            return
        join.take(key)
        for share in table.mine(message.role, send.way, self.address):
            if message.to in (None, share.part):
                self._jobs.append((send, share))
        if self._idle is not None and not self._idle.triggered:
            self._idle.succeed()

    def _join_of(self, message: Message) -> Join[Key, None]:
        """Where each part of a role reads something of its own, frames are joined for each part."""
        key = message.role, message.to
        if key not in self._joins:
            self._joins[key] = Join(self._partition.slots(message.role, message.to or 0), remember=_REMEMBERED)
        return self._joins[key]

    def _start(self, table: Table | None) -> None:
        self.alive = True
        self._joins: dict[tuple[str, int | None], Join[Key, None]] = {}
        self._jobs: deque[tuple[Send, Share]] = deque()
        self._working = 0
        self._idle: simpy.Event | None = None
        self.tables = {} if table is None else {table.epoch: table}
        self._process = self._env.process(self._run())

    def _run(self) -> simpy.events.ProcessGenerator:
        """The thread that computes, one frame after the other, and hands on what it made."""
        work: simpy.Event | None = None
        try:
            while True:
                while not self._jobs:
                    self._idle = self._env.event()
                    yield self._idle
                send, share = self._jobs.popleft()
                self._working = 1
                targets = self._targets(send, share)
                taken = 0 if self._apart else len(self._partition.slots(share.role, share.part))
                compute_s = self._spread(self._compute_s(self.address, share))
                compute_s += self._message_s * (len(targets) + taken)
                work = self._processor.work(compute_s, self._core)
                yield work
                work = None
                self._working = 0
                self.busy_s += compute_s
                self.computed += 1
                for target, message in targets:
                    self._post(self.address, target, send, message)
        except simpy.Interrupt:
            if work is not None:
                self._processor.drop(work)

    def _targets(self, send: Send, share: Share) -> list[tuple[Address | None, Message]]:
        table = self.tables[send.epoch]
        return [
            (stop, message)
            for tensor in self._partition.outputs(share.role)
            for target in self._partition.targets(tensor)
            for message in self._partition.sent(tensor, share.part, target)
            for stop in ([None] if target == INITIAL else stops_of(message, table, send))
        ]

    def _after(self, delay_s: float, event: Callable[[], None]) -> None:
        timer = self._env.timeout(delay_s)
        assert timer.callbacks is not None
        timer.callbacks.append(lambda _: event())


def stops_of(message: Message, table: Table, send: Send) -> tuple[Address, ...]:
    """The devices that take a message: those of its role, or of the part that reads something of its own."""
    target = message.role if message.to is None else Share(message.role, message.to)
    return table.next_stops(target, send.way)


def chance_of(seed: int) -> random.Random:
    """What is drawn from, alike on every machine."""
    return random.Random(seed)  # noqa: S311  a simulation
