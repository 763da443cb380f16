"""What a transport has to offer to take part: a server and a client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from benchmarks.transport.payloads import Receiver
from benchmarks.transport.timing import Pace, Timing
from harness.rpc.event_loop import loop_factory

HOST = "127.0.0.1"
T = TypeVar("T")


class Server(Protocol):
    """The receiving end; one connection is enough."""

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """Listen on a free port of `HOST`, tell it to `ready`, and serve for ever; runs on a thread of its own.

        Each message is given to `receiver` before it is acknowledged.
        """


class Client(Protocol):
    """The sending end."""

    def connect(self, port: int) -> None:
        """Connect to the server on `HOST`."""

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """Send the payloads in turn for a while; the first message of a slot is `payloads[0]`."""


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop of the kind that nodes run on."""
    return (loop_factory() or asyncio.new_event_loop)()


class Loop:
    """An event loop on a thread of its own, as that of a node beside the thread that computes."""

    def __init__(self) -> None:
        self.loop = new_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for its end."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()
