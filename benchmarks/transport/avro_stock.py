"""Stock `avro.ipc` as the published scripts used it, and the same with its connection kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import avro.ipc

from benchmarks.stock_rpc import PROTOCOL, StockServer, forward
from benchmarks.transport.names import ROLE, TAGS
from benchmarks.transport.payloads import Receiver
from benchmarks.transport.speaking import HOST
from benchmarks.transport.timing import Pace, Timing, one_by_one
from harness.farm.config import Address


class StockPatternServer:
    """`http.server` with a thread for each connection, as it comes: HTTP/1.0; a message is a `bytes` of its own."""

    keep = False

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """See `Server`."""
        server = StockServer(Address(HOST, 0), lambda payload, _role, _tag: receiver.take(payload), keep=self.keep)
        ready(server.port)
        threading.Event().wait()


class StockKeepingServer(StockPatternServer):
    """The same with HTTP/1.1, a `Content-Length`, and without Nagle's algorithm: connections stay."""

    keep = True


class StockPatternClient:
    """A connection for each message."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._address = Address(HOST, port)

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""

        def send(number: int) -> None:
            forward(self._address, payloads[number], ROLE, TAGS[number])

        return one_by_one(send, pace)


class StockKeepingClient:
    """One `HTTPTransceiver` and one `Requestor` for all messages."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._requestor = avro.ipc.Requestor(PROTOCOL, avro.ipc.HTTPTransceiver(HOST, port))

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        request = self._requestor.request

        def send(number: int) -> None:
            request("forward", {"input": payloads[number], "next": ROLE, "tag": TAGS[number]})

        return one_by_one(send, pace)
