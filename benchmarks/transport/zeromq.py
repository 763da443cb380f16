"""ZeroMQ over TCP with pyzmq, one I/O thread on either side (its default).

Neither PAIR sockets nor sending by copy were faster beyond the spread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from benchmarks.transport.payloads import Receiver
from benchmarks.transport.speaking import HOST
from benchmarks.transport.timing import Pace, Timing, one_by_one

_ACKNOWLEDGEMENT = b"\1"


class ZmqServer:
    """A REP socket; a message stays in the memory that ZeroMQ received it into."""

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """See `Server`."""
        connection: Any = zmq.Context().socket(zmq.REP)
        ready(connection.bind_to_random_port(f"tcp://{HOST}"))
        while True:
            receiver.take(connection.recv(copy=False).buffer)
            connection.send(_ACKNOWLEDGEMENT)


class ZmqClient:
    """A REQ socket."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._connection: Any = zmq.Context().socket(zmq.REQ)
        self._connection.connect(f"tcp://{HOST}:{port}")

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        transmit, receive = self._connection.send, self._connection.recv

        def send(number: int) -> None:
            transmit(payloads[number], copy=False)
            receive()

        return one_by_one(send, pace)
