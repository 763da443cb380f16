"""The client of a node: one kept connection, one call in flight, everything on the event loop."""

import asyncio
import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.errors import FarmError
from harness.rpc.errors import (
    PeerTimeoutError,
    PeerUnreachableError,
    PeerUntrustedError,
    ProtocolError,
    RpcError,
    WireFormatError,
)
from harness.rpc.exchange import (
    ClientConnection,
    ConnectionBrokenError,
    NotHttpError,
    NotTrustedError,
    Outcome,
    Piece,
)
from harness.rpc.framing import MAX_FRAME_BYTES, TERMINATOR, decode_message, frame_length
from harness.rpc.protocol import FORWARD, encode_forward_tail
from harness.rpc.requestor import SEND_AGAIN, Requestor
from harness.rpc.tls_transport import TLS_ONLY

if TYPE_CHECKING:
    from harness.rpc.security import Security

DEFAULT_MAX_RESPONSE_BYTES: Final = 256 * 2**20
_OK: Final = 200
_CLOSED: Final = ConnectionBrokenError("closed", answer_begun=False)
_UNAVAILABLE: Final = 503


class Delivered(enum.Enum):
    """The peer has the tensor."""

    YES = enum.auto()


DELIVERED: Final = Delivered.YES
Receipt = FarmError | Delivered | None
"""What became of a posted tensor: why the peer may not have it, that it has, or nothing known yet."""


class RpcClient:
    """Calls the messages of protocol `image` on one server, ours or any Avro RPC responder.

    Calls of several tasks wait for each other; the time of a call runs from its turn. A kept connection that
    the server has closed in the meantime is replaced once, before any byte of an answer; nothing else is
    tried again here.

    Args:
        host: address or name of the peer.
        port: its TCP port.
        connect_timeout_s: how long a connection may take to come about.
        max_response_bytes: longest answer accepted.
        security: the keys of mutual TLS; None speaks plain.
    """

    def __init__(
        self,
        host: str,
        port: int,
        connect_timeout_s: float = 5.0,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
        security: "Security | None" = None,
    ) -> None:
        self.host = host
        self.port = port
        self._connect_timeout_s = connect_timeout_s
        self._max_response_bytes = max_response_bytes
        self._context = None if security is None else security.client_context
        self._requestor = Requestor(host, port)
        self._connection: ClientConnection | None = None
        self._lock = asyncio.Lock()
        # One tensor after the other has the same lengths, and its receipt the same bytes: worked out once.
        self._usual_kind: tuple[bytes, int, int] | None = None
        self._usual_begin = b""
        self._usual_outcome: Outcome | None = None
        self._http_head = (
            f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: avro/binary\r\nContent-Length: "
        ).encode()

    async def call(self, message: str, request: dict[str, Any], timeout_s: float) -> Any:
        """Call any message.

        Args:
            message: name of the message in the protocol.
            request: its parameters by name.
            timeout_s: from the call's turn to the last byte of its answer.

        Returns:
            The answer; a record is a dict.

        Raises:
            PeerUnreachableError: refused, no route, or the connection broke.
            PeerUntrustedError: the two do not come to terms over TLS.
            PeerTimeoutError: no answer in time.
            RemoteError: the peer answered an error.
            ProtocolError: the peer does not speak this protocol.
        """
        async with self._lock:
            deadline = asyncio.get_running_loop().time() + timeout_s
            while True:
                encoded = self._requestor.encode(message, request)
                answer = await self._exchange((), encoded, b"", deadline, timeout_s)
                result = self._requestor.decode(message, answer)
                if result is not SEND_AGAIN:
                    return result

    async def forward(
        self,
        input: bytes | bytearray | memoryview,  # noqa: A002  name of the wire
        next: str,  # noqa: A002  name of the wire
        tag: str,
        timeout_s: float,
    ) -> None:
        """Hand one tensor to the peer; returns when the peer has queued it.

        Args:
            input: raw bytes of the tensor, contiguous; is not copied, and must not change before the call ends.
            next: what the peer computes.
            tag: identity of the tensor, see `harness.rpc.identity`.
            timeout_s: from the call's turn to the last byte of its answer.

        Raises:
            PeerUnreachableError: refused, no route, or the connection broke.
            PeerUntrustedError: the two do not come to terms over TLS.
            PeerTimeoutError: no answer in time.
            RemoteError: the peer answered an error, or does not take the tensor now.
            ProtocolError: the peer does not speak this protocol.
        """
        payload = memoryview(input).cast("B")
        tail = encode_forward_tail(next, tag)
        async with self._lock:
            deadline = asyncio.get_running_loop().time() + timeout_s
            while True:
                head = self._requestor.encode_forward_head(len(payload))
                answer = await self._exchange((payload,), head, tail, deadline, timeout_s)
                if self._requestor.decode(FORWARD, answer) is not SEND_AGAIN:
                    return

    def post_forward(self, input: bytes | memoryview, next: str, tag: str, *, asked: bool) -> bool:  # noqa: A002
        """Hand one tensor over the kept connection without waiting; may be called from any thread.

        Nothing is tried again, and no other call of this client may be under way until `receipt` or `watch` has
        told what became of this one.

        Args:
            input: raw bytes of the tensor; is not copied, and must not change before that.
            next: what the peer computes.
            tag: identity of the tensor.
            asked: the receipt of another tensor was read just now, so the connection stands.

        Returns:
            False when there is no connection to use: `forward` opens one.
        """
        connection = self._connection
        if connection is None or not (connection.usable if asked else connection.quiet()):
            return False
        payload = input if isinstance(input, bytes) else input.cast("B")
        tail = encode_forward_tail(next, tag)
        kind = (self._requestor.forward_head, len(payload), len(tail))
        if kind != self._usual_kind:
            head = self._requestor.encode_forward_head(len(payload))
            self._usual_kind, self._usual_begin = kind, self._begin(len(head) + len(payload) + len(tail), head)
        connection.post((self._usual_begin, payload, tail + TERMINATOR))
        return True

    def receipt(self) -> Receipt:
        """What became of the tensor that was posted, as far as it is known now; may be called from any thread."""
        outcome = self._connection.outcome() if self._connection is not None else _CLOSED
        if outcome is None:
            return None
        return DELIVERED if outcome is self._usual_outcome else self._read_receipt(outcome)

    def watch(self, done: Callable[[FarmError | Delivered], None]) -> None:
        """Have the event loop wait for the receipt of the tensor that was posted.

        Args:
            done: called once on the event loop with what became of it.
        """
        if self._connection is None:
            done(self._read_receipt(_CLOSED))
        else:
            self._connection.watch(lambda outcome: done(self._read_receipt(outcome)))

    def _read_receipt(self, outcome: Outcome) -> FarmError | Delivered:
        try:
            if isinstance(outcome, NotTrustedError):
                return self._untrusted(str(outcome))
            if isinstance(outcome, Exception):
                return self._unreachable(f"broke the connection: {outcome}")
            if self._requestor.decode(FORWARD, self._message(*outcome)) is SEND_AGAIN:
                return self._unreachable("wants the protocol first")
        except FarmError as error:
            return error
        self._usual_outcome = outcome
        return DELIVERED

    def abort(self, reason: str) -> None:
        """Give up what waits for an answer, and the connection."""
        if self._connection is not None:
            self._connection.abort(reason)

    async def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _exchange(
        self, payload: Sequence[Piece], head: bytes, tail: bytes, deadline: float, timeout_s: float
    ) -> memoryview | bytes:
        """Send head, payload and tail as one message; return the message that comes back."""
        buffers = self._buffers(payload, head, tail)
        while True:
            connection = await self._connected(deadline)
            fresh = connection.answers == 0
            try:
                status, body = await connection.exchange(buffers, deadline)
            except TimeoutError as error:
                raise PeerTimeoutError(
                    f"{self.host}:{self.port} did not answer within {timeout_s:g} s",
                    "is the node overloaded, or stopped?",
                    host=self.host,
                    port=self.port,
                ) from error
            except NotTrustedError as error:
                raise self._untrusted(str(error)) from error
            except NotHttpError as error:
                raise self._not_avro(f"does not speak HTTP: {error}") from error
            except ConnectionBrokenError as error:
                if fresh or error.answer_begun:
                    raise self._unreachable(f"broke the connection: {error}") from error
                continue
            return self._message(status, body)

    def _buffers(self, payload: Sequence[Piece], head: bytes, tail: bytes) -> list[Piece]:
        """One message as HTTP, in pieces: nothing large is copied."""
        size = len(head) + sum(map(len, payload)) + len(tail)
        return [self._begin(size, head), *payload, tail + TERMINATOR]

    def _begin(self, size: int, head: bytes) -> bytes:
        """What precedes the payload of a message of `size` bytes: HTTP's head, the frame's length, the call's head."""
        if size > MAX_FRAME_BYTES:
            raise ProtocolError(f"a message of {size} bytes is too long for a frame", host=self.host, port=self.port)
        return self._http_head + f"{size + 8}\r\n\r\n".encode() + frame_length(size) + head

    async def _connected(self, deadline: float) -> ClientConnection:
        if self._connection is not None:
            if self._connection.quiet():
                return self._connection
            self._connection.close()
        most_s = min(self._connect_timeout_s, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(most_s):
                self._connection = await ClientConnection.open(
                    self.host, self.port, self._max_response_bytes, self._context
                )
        except TimeoutError as error:
            raise self._unreachable(f"takes no connection within {max(most_s, 0):.3g} s") from error
        except NotTrustedError as error:
            raise self._untrusted(str(error)) from error
        except OSError as error:
            raise self._unreachable(f"cannot be reached: {error.strerror or error}") from error
        return self._connection

    def _message(self, status: int, body: bytes) -> memoryview | bytes:
        if status == _OK:
            try:
                return decode_message(body, self._max_response_bytes)
            except WireFormatError as error:
                raise self._not_avro(f"sent an answer without Avro's framing: {error}") from error
        reason = body[:200].decode("utf-8", "replace").strip()
        if status == TLS_ONLY:
            raise self._untrusted(reason)
        if status == _UNAVAILABLE:
            raise self._unreachable(f"takes no more work: {reason}")
        raise self._not_avro(f"answered HTTP {status}: {reason}")

    def _unreachable(self, what: str) -> RpcError:
        return PeerUnreachableError(
            f"{self.host}:{self.port} {what}", "is a node running there?", host=self.host, port=self.port
        )

    def _untrusted(self, what: str) -> RpcError:
        return PeerUntrustedError(
            f"{self.host}:{self.port} {what}",
            "every device needs its folder of `iot-farm farm keys`, all made at the same place",
            host=self.host,
            port=self.port,
        )

    def _not_avro(self, what: str) -> RpcError:
        return ProtocolError(f"{self.host}:{self.port} {what}", "is the address right?", host=self.host, port=self.port)
