"""One HTTP/1.1 connection of a client: sends a POST, receives what comes back.

Works on the socket itself, because a transport of Python 3.11 copies what it is given to write, and because a
receipt that nobody waits for need not wake the event loop: it is read when the next request is due.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from harness.rpc.answer_reader import Answer, AnswerReader, NotHttpError
from harness.rpc.opening import ConnectionBrokenError, NotTrustedError, connect
from harness.rpc.tls import TlsSession, explained

__all__ = ["ClientConnection", "ConnectionBrokenError", "NotHttpError", "NotTrustedError", "Outcome", "Piece"]

Outcome = Answer | Exception
Piece = bytes | memoryview
"""Part of a request: bytes, or a view of bytes."""
_READ_BYTES: Final = 65_536


class ClientConnection:
    """An open connection with at most one request under way.

    `post` and `outcome` may be called from any thread, by one at a time; all else belongs to the loop's thread.

    Args:
        sock: connected, not blocking; belongs to this object.
        loop: the running event loop.
        max_response_bytes: longest body accepted.
        tls: the session with the peer, its handshake done; None speaks plain.
    """

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        max_response_bytes: int,
        tls: TlsSession | None = None,
    ) -> None:
        self._sock: socket.socket | None = sock
        self._tls = tls
        self._loop = loop
        self._reader = AnswerReader(max_response_bytes)
        self._unsent: list[memoryview] = []
        self._answered: Callable[[Outcome], None] | None = None
        self._writing = False
        self._spent = False

    @classmethod
    async def open(
        cls, host: str, port: int, max_response_bytes: int, context: ssl.SSLContext | None = None
    ) -> "ClientConnection":
        """Connect, as `harness.rpc.opening.connect` does and with its errors; answers are bounded as above."""
        sock, tls = await connect(host, port, context)
        return cls(sock, asyncio.get_running_loop(), max_response_bytes, tls)

    @property
    def answers(self) -> int:
        """Complete answers so far."""
        return self._reader.answers

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on this connection, as far as is known."""
        return self._sock is not None and not self._spent

    def quiet(self) -> bool:
        """Whether the connection is usable and the peer has said nothing unasked, nor ended it."""
        if self._sock is None or self._spent:
            return False
        try:
            if self._tls is None:
                self._sock.recv(1, socket.MSG_PEEK)
            else:
                self._receive()  # a record may have come that says nothing
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    async def exchange(self, buffers: Sequence[Piece], deadline: float) -> Answer:
        """Send one request and await its answer.

        Args:
            buffers: the request, head and body, in pieces of bytes; are not copied.
            deadline: time of the loop's clock at which to give up.

        Returns:
            HTTP status and body.

        Raises:
            TimeoutError: the deadline passed.
            ConnectionBrokenError: the connection ended.
            NotHttpError: the answer is not HTTP.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()

        def answered(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        timer = self._loop.call_at(deadline, self._tell, TimeoutError())
        try:
            self.post(buffers)
            self.watch(answered)
            return await future
        except BaseException:
            self.close()  # an answer that comes later must not be taken for that of the next request
            raise
        finally:
            timer.cancel()
            self._answered = None

    def post(self, buffers: Sequence[Piece]) -> None:
        """Send one request now; `outcome` or `watch` tells what becomes of it.

        Most requests fit into the socket's buffer: then no other thread and no turn of the event loop is needed
        to send them. A failure shows in place of the answer.

        Args:
            buffers: the request, head and body, in pieces of bytes; are not copied.
        """
        self._reader.expect()
        sock = self._sock
        if sock is None:
            return
        try:
            if self._tls is not None:
                buffers = (self._tls.seal(buffers),)
            sent = sock.sendmsg(buffers)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            return  # an answer may still be there to be read, and tells more; else the reader sees the end
        if sent < sum(map(len, buffers)):
            self._unsent = [memoryview(piece) for piece in buffers]
            self._drop(sent)
            self._loop.call_soon_threadsafe(self._send)

    def outcome(self) -> Outcome | None:
        """The answer to the request under way, if it is here, or why there will be none; does not wait."""
        if self._sock is None:
            return ConnectionBrokenError("closed", answer_begun=self._reader.begun)
        while True:
            try:
                data = self._sock.recv(_READ_BYTES) if self._tls is None else self._receive()
            except (BlockingIOError, InterruptedError):
                return None
            except OSError as error:
                return self._failed(error)
            try:
                answer = self._reader.feed(data) if data else self._reader.end()
            except NotHttpError as error:
                self._spent = True
                return error
            if answer is not None:
                # An answer to half a request is final, and the other half must not follow.
                self._spent = not data or not self._reader.keep or bool(self._unsent)
                return answer
            if not data:
                return self._broken("closed by the peer")

    def watch(self, answered: Callable[[Outcome], None]) -> None:
        """Have the event loop wait for the answer to the request under way.

        Args:
            answered: called once with HTTP status and body, or with the error in their place.
        """
        self._answered = answered
        if self._sock is None:
            self._loop.call_soon(self._readable)
        else:
            self._loop.add_reader(self._sock, self._readable)

    def abort(self, reason: str) -> None:
        """Give up a request that waits for its answer, and the connection."""
        begun = self._reader.begun
        self.close()
        self._tell(ConnectionBrokenError(reason, answer_begun=begun))

    def close(self) -> None:
        """Close the connection now."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._sock = None
            self._unsent = []
            self._reader.discard()

    def _receive(self) -> bytes:
        """What came over TLS; b"" when the peer has ended the session in order.

        Raises:
            BlockingIOError: nothing is here.
            OSError: the connection ended, which over TLS anybody may have done; or an `ssl.SSLError`.
        """
        assert self._sock is not None
        assert self._tls is not None
        while not self._tls.ended:
            data = self._sock.recv(_READ_BYTES)
            if not data:
                raise OSError("closed by the peer")
            plain = self._tls.open(data)
            if plain:
                return plain
        return b""

    def _failed(self, error: OSError) -> Exception:
        if not isinstance(error, ssl.SSLError):
            return self._broken(error.strerror or str(error))
        if self._reader.answers:
            return self._broken(explained(error))
        self._spent = True
        return NotTrustedError(explained(error))  # in TLS 1.3 the verdict on our certificate comes so late

    def _broken(self, reason: str) -> ConnectionBrokenError:
        self._spent = True
        return ConnectionBrokenError(reason, answer_begun=self._reader.begun)

    def _drop(self, sent: int) -> None:
        while self._unsent and sent >= len(self._unsent[0]):
            sent -= len(self._unsent.pop(0))
        if sent:
            self._unsent[0] = self._unsent[0][sent:]

    def _send(self) -> None:
        """Write what the socket takes; the rest follows when it takes more."""
        if self._spent:
            self.close()
        if self._sock is None:
            return
        while self._unsent:
            try:
                sent = self._sock.sendmsg(self._unsent)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._sock, self._send)
                self._writing = True
                return
            except OSError:
                self._unsent = []  # an answer may still be there to be read, and tells more
            else:
                self._drop(sent)
        if self._writing:
            self._loop.remove_writer(self._sock)
            self._writing = False

    def _readable(self) -> None:
        outcome = self.outcome()
        if outcome is None:
            return
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
        if self._spent:
            self.close()
        self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(outcome)
