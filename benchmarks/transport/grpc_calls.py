"""gRPC with bytes as messages: generic handlers without serializers, one kept channel, unary calls.

Tuned as gRPC's guide to performance advises for Python: stubs and channels are reused, and calls are unary, because
streams cost a further thread; message lengths are not limited. Longer HTTP/2 frames, a longer look-ahead, larger write
buffers, the targets "throughput" and "latency" and no bandwidth probe changed nothing beyond the spread; libuv made
`grpc.aio` a tenth faster, and is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from benchmarks.transport.payloads import Receiver
from benchmarks.transport.speaking import HOST, new_loop
from benchmarks.transport.timing import Pace, Timing, one_by_one, one_by_one_async

SERVICE = "Hop"
METHOD = "forward"
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
_THREADS = 2
_ACKNOWLEDGEMENT = b"\1"


def _handlers(take: Callable[..., Any]) -> tuple[Any, ...]:
    methods = {METHOD: grpc.unary_unary_rpc_method_handler(take)}
    return (grpc.method_handlers_generic_handler(SERVICE, methods),)


class GrpcServer:
    """The synchronous server with a small pool of threads; a message is a `bytes` of its own."""

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """See `Server`."""

        def take(message: bytes, _context: Any) -> bytes:
            receiver.take(message)
            return _ACKNOWLEDGEMENT

        server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=_handlers(take), options=OPTIONS)
        port = server.add_insecure_port(f"{HOST}:0")
        server.start()
        ready(port)
        server.wait_for_termination()


class GrpcClient:
    """A blocking stub."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        channel = grpc.insecure_channel(f"{HOST}:{port}", options=OPTIONS)
        self._forward = channel.unary_unary(f"/{SERVICE}/{METHOD}")

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        forward = self._forward

        def send(number: int) -> None:
            forward(payloads[number])

        return one_by_one(send, pace)


class GrpcAioServer:
    """The server of `grpc.aio`; a message is a `bytes` of its own."""

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """See `Server`."""

        async def take(message: bytes, _context: Any) -> bytes:
            receiver.take(message)
            return _ACKNOWLEDGEMENT

        async def run() -> None:
            server = grpc.aio.server(handlers=_handlers(take), options=OPTIONS)
            port = server.add_insecure_port(f"{HOST}:0")
            await server.start()
            ready(port)
            await server.wait_for_termination()

        new_loop().run_until_complete(run())


class GrpcAioClient:
    """A stub of `grpc.aio`."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._loop = new_loop()
        self._loop.run_until_complete(self._connect(port))

    async def _connect(self, port: int) -> None:
        channel = grpc.aio.insecure_channel(f"{HOST}:{port}", options=OPTIONS)
        self._forward = channel.unary_unary(f"/{SERVICE}/{METHOD}")

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        forward = self._forward

        async def send(number: int) -> None:
            await forward(payloads[number])

        return self._loop.run_until_complete(one_by_one_async(send, pace))
