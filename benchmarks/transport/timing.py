"""The clock of a slot: send for a given time, count what was acknowledged."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.transport.payloads import VARIANTS

WARM_UP = 2 * VARIANTS
"""Messages before the clock starts: connections, buffers and caches are as in the middle of a run."""


@dataclass(frozen=True)
class Pace:
    """How long a slot is.

    Attributes:
        run_s: its length in seconds.
        least: messages that it has at least, however long they take.
    """

    run_s: float
    least: int


@dataclass(frozen=True)
class Timing:
    """A slot as its client saw it.

    Attributes:
        messages: sent and acknowledged while the clock ran.
        sent: the same with those of the warm-up.
        elapsed_s: of the clock.
        cpu_s: processor time of the client's process meanwhile, all its threads.
    """

    messages: int
    sent: int
    elapsed_s: float
    cpu_s: float


class Clock:
    """Runs from its making."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._begin_cpu_s = time.process_time()
        self._begin_s = time.perf_counter()
        self.deadline_s = self._begin_s + pace.run_s

    def over(self, messages: int) -> bool:
        """Whether the slot may end after so many messages."""
        return time.perf_counter() >= self.deadline_s and messages >= self._pace.least

    def stop(self, messages: int) -> Timing:
        """Read it after so many messages."""
        elapsed_s = time.perf_counter() - self._begin_s
        return Timing(messages, messages + WARM_UP, elapsed_s, time.process_time() - self._begin_cpu_s)


def one_by_one(send: Callable[[int], None], pace: Pace) -> Timing:
    """Send one message after the other.

    Args:
        send: sends the payload with this number (0 to `VARIANTS` - 1); returns when it is acknowledged.
        pace: length of the slot.
    """
    for number in range(WARM_UP):
        send(number % VARIANTS)
    clock = Clock(pace)
    messages = 0
    while not clock.over(messages):
        send(messages % VARIANTS)
        messages += 1
    return clock.stop(messages)


async def one_by_one_async(send: Callable[[int], Awaitable[None]], pace: Pace) -> Timing:
    """As `one_by_one`, on an event loop."""
    for number in range(WARM_UP):
        await send(number % VARIANTS)
    clock = Clock(pace)
    messages = 0
    while not clock.over(messages):
        await send(messages % VARIANTS)
        messages += 1
    return clock.stop(messages)
