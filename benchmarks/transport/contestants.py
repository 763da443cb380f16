"""Who takes part."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

RAW, OURS, STOCK, ZMQ, GRPC, GRPC_AIO = "raw", "ours", "stock", "zeromq", "grpc", "grpc-aio"


@dataclass(frozen=True)
class Transport:
    """A pair of a server and a client.

    Attributes:
        name: short, in tables and files.
        server: MODULE:CLASS in this package.
        client: the same.
        meaning: what it is, in one line.
        memory: where the receiver has the message.
        package: what must be installed for it beside the engine; empty for nothing.
    """

    name: str
    server: str
    client: str
    meaning: str
    memory: str
    package: str = ""

    @property
    def available(self) -> bool:
        """Whether its package is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None


_OUR_MEMORY = "new memory for each message, received in place above 32 kB and copied once below"
_BYTES = "a new `bytes` for each message"

TRANSPORTS = (
    Transport(
        RAW,
        "raw:RawServer",
        "raw:RawClient",
        "blocking sockets, 8 bytes of length, one byte back; no protocol at all",
        "one buffer for all messages: the next overwrites it",
    ),
    Transport(
        "raw-kept",
        "raw:RawKeepingServer",
        "raw:RawClient",
        "the same, and the receiver may keep what it got",
        "new memory for each message",
    ),
    Transport(
        OURS,
        "avro_ours:OurServer",
        "avro_ours:LaneClient",
        "this project as its nodes send: outbox, receipt read when the next parcel is put",
        _OUR_MEMORY,
    ),
    Transport(
        "ours-window",
        "avro_ours:OurServer",
        "avro_ours:WindowClient",
        "the same with two parcels under way: the next leaves when a receipt is read",
        _OUR_MEMORY,
    ),
    Transport(
        "ours-await",
        "avro_ours:OurServer",
        "avro_ours:AwaitClient",
        "`RpcClient.forward`, awaited on an event loop",
        _OUR_MEMORY,
    ),
    Transport(
        "stock-to-ours",
        "avro_ours:OurServer",
        "avro_stock:StockKeepingClient",
        "stock `avro.ipc` with a kept connection, to this project's server",
        _OUR_MEMORY,
    ),
    Transport(
        STOCK,
        "avro_stock:StockPatternServer",
        "avro_stock:StockPatternClient",
        "stock `avro.ipc` over `http.server`, a new connection for each message",
        _BYTES,
    ),
    Transport(
        "stock-kept",
        "avro_stock:StockKeepingServer",
        "avro_stock:StockKeepingClient",
        "stock `avro.ipc` with one kept `HTTPTransceiver`",
        _BYTES,
    ),
    Transport(
        GRPC,
        "grpc_calls:GrpcServer",
        "grpc_calls:GrpcClient",
        "gRPC, synchronous, unary calls of bytes over one channel",
        _BYTES,
        "grpc",
    ),
    Transport(
        GRPC_AIO,
        "grpc_calls:GrpcAioServer",
        "grpc_calls:GrpcAioClient",
        "gRPC for asyncio, the same calls",
        _BYTES,
        "grpc",
    ),
    Transport(
        ZMQ,
        "zeromq:ZmqServer",
        "zeromq:ZmqClient",
        "ZeroMQ over TCP, REQ and REP",
        "the memory that ZeroMQ made for the message",
        "zmq",
    ),
)

INSTALLED_BY = {"grpc": "grpcio", "zmq": "pyzmq"}
"""Module -> its distribution."""
