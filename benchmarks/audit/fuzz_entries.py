"""What reads a stranger's bytes, as functions of bytes: whatever comes in, they end in a way that they declare.

Each entry returns, or raises what its part of `harness.rpc` does not declare, or an AssertionError where a promise is
broken: that is a find. A fuzzer, a property test and a replayed file all call the same functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final, cast

from benchmarks.audit.bad_input_wire import HANDSHAKE, chunked, forward_message, framed, post
from harness.rpc.answer_reader import AnswerReader, NotHttpError
from harness.rpc.connection import ServerConnection
from harness.rpc.errors import ProtocolError, RemoteError, WireFormatError
from harness.rpc.framing import decode_message, encode_message, max_framed_bytes
from harness.rpc.handshake import HandshakeRequest, HandshakeResponse
from harness.rpc.identity import MAX_TAG_CHARACTERS, Identity
from harness.rpc.limits import Limits
from harness.rpc.protocol import PROTOCOL_HASH, PROTOCOL_TEXT, encode_string, protocol_hash
from harness.rpc.request_reader import RequestReader
from harness.rpc.requestor import Requestor
from harness.rpc.resolution import Decoder
from harness.rpc.responder import VOID, Handlers, Responder

LIMITS: Final = Limits(max_message_bytes=40_000, max_header_bytes=500)
_MOST_BODY_BYTES: Final = max_framed_bytes(LIMITS.max_message_bytes)
_TAG: Final = "run=9f3c;frame=17;tensor=fc1;part=0/2;model=ab12"
_GOOD: Final = forward_message(tag=_TAG)
_OTHER_TEXT: Final = PROTOCOL_TEXT + " "
_OTHER_CALL: Final = HandshakeRequest(protocol_hash(_OTHER_TEXT), PROTOCOL_HASH, _OTHER_TEXT).encode() + _GOOD[34:]
_CALLS: Final = tuple(
    HANDSHAKE + b"\0" + encode_string(name) + parameters
    for name, parameters in (("describe", b""), ("begin", b"\2r"), ("statistics", b"\2r"), ("probe", b"\2x"))
)


class _Taker:
    """The handlers: take what is a frame, refuse all else, and count what was called."""

    def __init__(self) -> None:
        self.calls = 0

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002  names of the wire
        """Take one tensor."""
        self.calls += 1
        assert len(input) <= LIMITS.max_message_bytes
        next.encode()
        Identity.parse(tag)

    def probe(self, input: bytes | memoryview) -> int:  # noqa: A002  name of the wire
        """The size."""
        self.calls += 1
        return len(input)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in {"describe", "environment", "begin", "statistics", "stop"}:
            raise AttributeError(name)

        def refuse(**_: Any) -> None:
            self.calls += 1
            raise RemoteError("not here")

        return refuse


def respond(data: bytes) -> None:
    """A message, from its handshake on: an Avro answer, or `WireFormatError` and no call; then a good one is taken."""
    taker = _Taker()
    responder = Responder(cast("Handlers", taker))
    try:
        answer = responder.respond(data)
    except WireFormatError as error:
        _require(taker.calls == 0 and "\n" not in str(error), "a refusal of one line, and no call")
    else:
        assert taker.calls <= 1
        _read_answer(answer)
    assert responder.respond(_GOOD) == VOID


def _require(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(f"not kept: {promise}")


def _read_answer(answer: bytes) -> None:
    handshake = HandshakeResponse.read(Decoder(answer))
    assert handshake.match in {"BOTH", "CLIENT", "NONE"}
    with contextlib.suppress(RemoteError, ProtocolError):
        Requestor("peer", 1).decode("forward", answer)


def declare(data: bytes) -> None:
    """A protocol text of the client, under its right hash, and a call by it; the first two bytes say how long it is."""
    size = int.from_bytes(data[:2], "big")
    text, call = data[2 : 2 + size].decode("utf-8", "replace"), data[2 + size :]
    message = HandshakeRequest(protocol_hash(text), PROTOCOL_HASH, text).encode() + call
    respond(message)


def handshake(data: bytes) -> None:
    """A handshake of the client; what can be read is written again as it was, and of the server."""
    with contextlib.suppress(WireFormatError):
        request = HandshakeRequest.read(Decoder(data))
        assert HandshakeRequest.read(Decoder(request.encode())) == request
    with contextlib.suppress(WireFormatError):
        response = HandshakeResponse.read(Decoder(data))
        assert HandshakeResponse.read(Decoder(response.encode())) == response


def frames(data: bytes) -> None:
    """A body in Avro's frames: the message is what the frames hold, within the limit."""
    try:
        message = decode_message(data, LIMITS.max_message_bytes)
    except WireFormatError:
        return
    assert len(message) <= LIMITS.max_message_bytes
    assert decode_message(encode_message(bytes(message)), LIMITS.max_message_bytes) == message


def http(data: bytes) -> None:
    """Bytes of a connection: requests within the limits, or a refusal; the first byte says how they are cut."""
    reader = RequestReader(LIMITS)

    def refused() -> bool:
        assert reader.pending_bytes <= _MOST_BODY_BYTES
        return reader.refusal is not None

    _feed(reader.buffer, reader.received, data, refused)
    assert all(len(request.body) <= _MOST_BODY_BYTES for request in reader.requests)
    assert reader.refusal is None or "\n" not in reader.refusal.reason
    reader.discard()


def connection(data: bytes) -> None:
    """The same bytes to a whole connection with a responder behind it: what it writes are answers of HTTP."""
    owner = _Owner()
    transport = _Transport()
    served = ServerConnection(owner)
    served.connection_made(transport)
    _feed(lambda: served.get_buffer(-1), served.buffer_updated, data, lambda: transport.ended)
    served.enforce(time.monotonic() + LIMITS.message_deadline_s)
    assert all(piece.startswith(b"HTTP/1.1 ") for piece in transport.written)
    served.connection_lost(None)
    assert owner.held_bytes == 0


class _Owner:
    """The server of one connection."""

    def __init__(self) -> None:
        self.limits = LIMITS
        self.held_bytes = 0
        self.responder = Responder(cast("Handlers", _Taker()))

    def admit(self, connection: ServerConnection) -> bool:  # noqa: ARG002
        return True

    def forget(self, connection: ServerConnection) -> None:
        pass

    def account(self, change_bytes: int) -> None:
        self.held_bytes += change_bytes
        assert 0 <= self.held_bytes <= _MOST_BODY_BYTES


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


def _feed(room: Callable[[], memoryview], took: Callable[[int], None], data: bytes, done: Callable[[], bool]) -> None:
    piece_bytes, data = (data[0] or len(data), data[1:]) if data else (1, b"")
    while data and not done():
        buffer = room()
        size = min(len(buffer), piece_bytes, len(data))
        assert size > 0
        buffer[:size] = data[:size]
        data = data[size:]
        took(size)


def answer(data: bytes) -> None:
    """Bytes that a client gets for a call: an answer, or one of its declared errors."""
    reader, requestor = AnswerReader(LIMITS.max_message_bytes), Requestor("peer", 1)
    with contextlib.suppress(NotHttpError, WireFormatError, RemoteError, ProtocolError):
        found = reader.feed(data) or reader.end()
        if found is not None:
            requestor.decode("describe", decode_message(found[1], LIMITS.max_message_bytes))
    with contextlib.suppress(RemoteError, ProtocolError):
        requestor.decode("statistics", data)
    reader.discard()


def identity(data: bytes) -> None:
    """A tag: an identity that is written as the very same tag, or a refusal of one short text."""
    tag = data.decode("utf-8", "replace")
    try:
        found = Identity.parse(tag)
    except RemoteError as error:
        _require(len(error.text) <= MAX_TAG_CHARACTERS, "a refusal no longer than a tag")
    else:
        assert str(found) == tag


ENTRIES: Final[dict[str, Callable[[bytes], None]]] = {
    "http": http,
    "connection": connection,
    "frames": frames,
    "handshake": handshake,
    "declare": declare,
    "respond": respond,
    "answer": answer,
    "identity": identity,
}
_REQUESTS: Final = (
    b"\0" + post(framed(_GOOD)),
    b"\1" + post(framed(_GOOD)),
    b"\0" + post(framed(_GOOD), "Expect: 100-continue") * 3,
    b"\7" + post(chunked(framed(_GOOD), b"a" * 90), "Transfer-Encoding: chunked", length=-1),
    b"\0" + post(framed(_GOOD), "Connection: close", line="POST / HTTP/1.0"),
    b"\0" + post(framed(_CALLS[0])) + post(b"", line="GET / HTTP/1.1"),
    b"\0" + post(b"a" * 100, length=39_000),
)
_DECLARED: Final = len(_OTHER_TEXT.encode()).to_bytes(2, "big") + _OTHER_TEXT.encode() + _GOOD[34:]
_SMALL: Final = b'{"protocol":"p","messages":{"forward":{"request":[{"name":"input","type":"bytes"},{"name":"x","type":'
_SMALL_REST: Final = (
    b'["null",{"type":"map","values":"int"}]},{"name":"next","type":"string"},{"name":"tag","type":"string"}],'
    b'"response":"null"}}}'
)
_SMALL_DECLARED: Final = (
    len(_SMALL + _SMALL_REST).to_bytes(2, "big") + _SMALL + _SMALL_REST + b"\0\x0eforward\2x\0\2a\2t"
)
_ANSWERS: Final = tuple(
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(framed(said)), framed(said))
    for said in (VOID, VOID[:4] + b"\0\1\0\4no", HandshakeResponse("CLIENT", _OTHER_TEXT, b"?" * 16).encode() + b"\0\0")
)
SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "http": _REQUESTS,
    "connection": _REQUESTS,
    "frames": (framed(_GOOD), framed(_GOOD[:9], _GOOD[9:]), framed()),
    "handshake": (HANDSHAKE, _OTHER_CALL, HandshakeResponse("CLIENT", "{}", b"?" * 16).encode(), VOID),
    "declare": (_DECLARED, _SMALL_DECLARED),
    "respond": (_GOOD, _OTHER_CALL, *_CALLS),
    "answer": (*_ANSWERS, b"HTTP/1.1 503 Busy\r\n\r\nbusy", VOID),
    "identity": (_TAG.encode(), b"initial"),
}
"""Good bytes of each entry, to begin with."""
