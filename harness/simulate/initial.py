"""The source and sink under a simulated clock: the harness's dispatcher and load, on one thread that moves messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

import simpy

from harness.bench.load import ClosedLoop, Load
from harness.dispatch import Arrival, Dispatcher, Send
from harness.farm.config import Address
from harness.models.graph import FRAME
from harness.partition.join import Join, Offer
from harness.partition.message import Message
from harness.partition.partition import INITIAL, Partition
from harness.plan.table import Table
from harness.records.record import FrameSample
from harness.simulate.cores import Processor
from harness.simulate.load import SimulatedOpenLoop
from harness.simulate.node import Post, stops_of

TICK_S: Final = 0.05
"""Time between two looks for frames that are overdue, as in `harness.bench.adapting`."""
_ACCOUNT_FRAMES: Final = 4096
_LOOK_S: Final = 1.0
_LEAST_STALL_S: Final = 300.0


@dataclass
class _Flight:
    due_s: float
    replies: int = 0
    back_s: float | None = None


class SimulatedInitial:
    """Sends frames and takes results.

    Args:
        env: the clock.
        partition: what the farm computes.
        processor: what its thread runs on.
        message_s: processor time of each message that is sent or taken.
        post: hands a message to the network.
    """

    def __init__(
        self, env: simpy.Environment, partition: Partition, processor: Processor, message_s: float, post: Post
    ) -> None:
        self._env, self._partition, self._post = env, partition, post
        self._processor, self._message_s = processor, message_s
        self._slots = partition.slots(INITIAL)
        self._first = [message for role in partition.targets(FRAME) for message in partition.sent(FRAME, 0, role)]
        self._frames: dict[int, _Flight] = {}
        self._next = self._back = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._working = False
        self.busy_s = 0.0

    @property
    def latencies_s(self) -> list[float]:
        """Of the frames of the window that are back."""
        return [one.back_s - one.due_s for one in self._frames.values() if one.back_s is not None]

    def samples(self, begun_s: float) -> tuple[FrameSample, ...]:
        """The window's frames as a record has them, clocked from its begin; nothing was computed, so no error."""
        return tuple(
            FrameSample(
                frame, 0, one.due_s - begun_s, None if one.back_s is None else one.back_s - begun_s, one.replies, None
            )
            for frame, one in self._frames.items()
        )

    def window(
        self,
        table: Table,
        frames: int,
        in_flight: int,
        rate_fps: float | None,
        deadline_s: float,
    ) -> Load:
        """Send frames and run the clock until all are back, or nothing comes any more.

        Args:
            table: by which frames are sent at first.
            frames: how many.
            in_flight: of the closed loop.
            rate_fps: of the open loop; None is the closed one.
            deadline_s: after so long a frame is sent again; infinite never is.
        """
        self.dispatcher = Dispatcher(table, deadline_s)
        self._results: Join[tuple[int, int], None] = Join(self._slots, remember=_ACCOUNT_FRAMES)
        self._frames = {}
        self._over = self._env.event()
        load: Load = ClosedLoop(self._send, frames, in_flight)
        if rate_fps is not None:
            load = SimulatedOpenLoop(self._env, self._send, frames, rate_fps)
        self._load = load
        load.start()
        self._env.process(self._until_finished(load, self._over, deadline_s))
        if deadline_s < float("inf"):
            self._env.process(self._send_again(self._over))
        self._env.run(until=self._over)
        load.stop()
        return load

    def take(self, send: Send, message: Message) -> None:
        """A message has arrived."""
        self._handle(lambda: self._result(send, (message.tensor, message.part)))

    def change(self, table: Table, finishing: Collection[Address]) -> None:
        """Send by a new table from now on; frames under way over a device that is gone are sent again."""
        for send in self.dispatcher.change(table, self._env.now, finishing):
            self._dispatch(send)

    def _send(self, due_s: float | None) -> None:
        frame, now_s = self._next, self._env.now
        self._next += 1
        self._frames[frame] = _Flight(now_s if due_s is None else due_s)
        self._dispatch(self.dispatcher.offer(frame, now_s))
        if frame % _ACCOUNT_FRAMES == 0:
            self.dispatcher.forget(frame - _ACCOUNT_FRAMES)

    def _dispatch(self, send: Send) -> None:
        table = self.dispatcher.table
        for message in self._first:
            for stop in stops_of(message, table, send):
                self._handle(partial(self._post, None, stop, send, message))

    def _result(self, send: Send, slot: tuple[str, int]) -> None:
        key = (send.frame, send.attempt)
        flight = self._frames.get(send.frame)
        if flight is None or self._results.offer(key, slot, None) is not Offer.COMPLETE:
            return
        self._results.take(key)
        if self.dispatcher.arrived(send.frame, send.attempt) is not Arrival.FIRST:
            return
        flight.replies += 1
        flight.back_s = self._env.now
        self._back += 1
        self._load.returned()
        if self._load.finished and not self._over.triggered:
            self._over.succeed()

    def _handle(self, then: Callable[[], None]) -> None:
        """Do something that takes the time of a message; there is one thread, so one comes after the other."""
        if not self._message_s:
            then()
            return
        self._waiting.append(then)
        if not self._working:
            self._working = True
            self._env.process(self._thread())

    def _thread(self) -> simpy.events.ProcessGenerator:
        while self._waiting:
            yield self._processor.work(self._message_s, urgent=True)
            self.busy_s += self._message_s
            self._waiting.popleft()()
        self._working = False

    def _until_finished(self, load: Load, over: simpy.Event, deadline_s: float) -> simpy.events.ProcessGenerator:
        """End a window in which nothing comes any more, and one whose last frames were dropped."""
        longest_s = _LEAST_STALL_S if deadline_s == float("inf") else max(_LEAST_STALL_S, 10 * deadline_s)
        back, since_s = self._back, self._env.now
        while not over.triggered:
            yield self._env.timeout(_LOOK_S)
            if self._back != back:
                back, since_s = self._back, self._env.now
            if not over.triggered and (load.finished or self._env.now - since_s > longest_s):
                over.succeed()

    def _send_again(self, over: simpy.Event) -> simpy.events.ProcessGenerator:
        while not over.triggered:
            yield self._env.timeout(TICK_S)
            if not over.triggered:
                for send in self.dispatcher.due(self._env.now):
                    self._dispatch(send)
