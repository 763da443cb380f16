"""One HTTP/1.1 connection of a client: sends a POST, parses what comes back.

Works on the socket itself, because a transport of Python 3.11 copies what it is given to write.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

import httptools

Outcome = tuple[int, bytes] | Exception
_READ_BYTES: Final = 65_536
_FIRST_FINAL_STATUS: Final = 200


class ConnectionBrokenError(Exception):
    """The connection ended before the answer did.

    Args:
        reason: what the system says.
        answer_begun: whether any byte of the answer had come.
    """

    def __init__(self, reason: str, *, answer_begun: bool) -> None:
        super().__init__(reason)
        self.answer_begun = answer_begun


class NotHttpError(Exception):
    """What comes back is not HTTP, or too long."""


class ClientConnection:
    """An open connection; `on_...` are the callbacks of httptools.

    Args:
        sock: connected, not blocking; belongs to this object.
        loop: the running event loop.
        max_response_bytes: longest body accepted.

    Attributes:
        answers: complete answers so far.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, max_response_bytes: int) -> None:
        self._sock: socket.socket | None = sock
        self._loop = loop
        self._max_response_bytes = max_response_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._unsent: list[memoryview] = []
        self._complete_answers: list[tuple[int, bytes]] = []
        self._answered: Callable[[Outcome], None] | None = None
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._answer_begun = False
        self._writing = False
        self._delimited = False
        self._ends_with_connection = False
        self._keep = True
        self.answers = 0
        loop.add_reader(sock, self._readable)

    @classmethod
    async def open(cls, host: str, port: int, max_response_bytes: int) -> "ClientConnection":
        """Connect to the first address of `host` that answers.

        Raises:
            OSError: none does.
        """
        loop = asyncio.get_running_loop()
        try:
            numeric = socket.AI_NUMERICHOST  # needs no look-up, and so no thread for one
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
        except socket.gaierror:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure = OSError(f"no address for {host}")
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, address)
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                return cls(sock, loop, max_response_bytes)
        raise failure

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on this connection."""
        return self._sock is not None

    async def exchange(self, buffers: Sequence[memoryview], deadline: float) -> tuple[int, bytes]:
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
        future: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()

        def answered(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        timer = self._loop.call_at(deadline, self._fail, TimeoutError())
        try:
            self.post(buffers, answered)
            return await future
        except BaseException:
            self.close()  # an answer that comes later must not be taken for that of the next request
            raise
        finally:
            timer.cancel()
            self._answered = None

    def post(self, buffers: Sequence[memoryview], answered: Callable[[Outcome], None]) -> None:
        """Send one request now; the only method that may be called outside the loop's thread.

        Most requests fit into the socket's buffer: then no other thread and no turn of the event loop is needed
        to send them. Nothing of this object is touched once the last byte is out, since the answer may be here
        before this method returns.

        Args:
            buffers: the request, head and body, in pieces of bytes; are not copied.
            answered: called once on the event loop with HTTP status and body, or with the error in their place.
        """
        self._answer_begun = False
        self._answered = answered
        total = sum(map(len, buffers))
        sock = self._sock
        if sock is None:
            self._loop.call_soon_threadsafe(self._fail, ConnectionBrokenError("closed", answer_begun=False))
            return
        try:
            sent = sock.sendmsg(buffers)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            return  # an answer may still be there to be read, and tells more; else the reader sees the end
        if sent < total:
            self._loop.call_soon_threadsafe(self._send_rest, buffers, sent)

    def abort(self, reason: str) -> None:
        """Give up a request that waits for its answer, and the connection."""
        self._fail(ConnectionBrokenError(reason, answer_begun=self._answer_begun))
        self.close()

    def close(self) -> None:
        """Close the connection now."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._sock = None
            self._unsent = []
            self._parser = None  # it holds our bound methods: ends the reference cycle

    def _send_rest(self, buffers: Sequence[memoryview], sent: int) -> None:
        """Go on with a request of which the socket has taken some bytes."""
        self._unsent = list(buffers)
        self._drop(sent)
        self._send()

    def _drop(self, sent: int) -> None:
        while self._unsent and sent >= len(self._unsent[0]):
            sent -= len(self._unsent.pop(0))
        if sent:
            self._unsent[0] = self._unsent[0][sent:]

    def _send(self) -> None:
        """Write what the socket takes; the rest follows when it takes more."""
        if self._sock is None:
            self._fail(ConnectionBrokenError("closed", answer_begun=False))
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
        if self._sock is None:
            return
        try:
            data = self._sock.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._ended(error.strerror or str(error), orderly=False)
            return
        if not data:
            self._ended("closed by the peer", orderly=True)
        elif self._answered is None:
            self.close()  # nobody has asked
        else:
            self._answer_begun = True
            try:
                self._parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
                self._fail(NotHttpError(str(error.__context__ or error)))
            self._deliver()

    def _ended(self, reason: str, *, orderly: bool) -> None:
        if orderly and self._ends_with_connection:
            self._complete(keep=False)
        self._deliver()
        self._fail(ConnectionBrokenError(reason, answer_begun=self._answer_begun))
        self.close()

    def _deliver(self) -> None:
        """Hand the answer over; after the parser's work, since the next request may follow at once."""
        answers, self._complete_answers = self._complete_answers, []
        if len(answers) > 1:  # one of them answers nothing that was asked
            self._keep = False
        if not self._keep:
            self.close()
        if answers:
            self._tell(answers[0])

    def _fail(self, error: Exception) -> None:
        self._tell(error)

    def _tell(self, outcome: Outcome) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(outcome)

    def on_message_begin(self) -> None:
        """An answer starts."""
        self._parts = []
        self._part_bytes = 0
        self._delimited = False

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002  that it is there says enough
        """A header has come."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._delimited = True

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._ends_with_connection = not self._delimited

    def on_body(self, body: bytes) -> None:
        """Part of the body has come."""
        self._part_bytes += len(body)
        if self._part_bytes > self._max_response_bytes:
            raise NotHttpError(f"an answer of more than {self._max_response_bytes} bytes")
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, or an interim one is."""
        if self._parser.get_status_code() >= _FIRST_FINAL_STATUS:
            self._complete(keep=self._parser.should_keep_alive() and not self._unsent)

    def _complete(self, *, keep: bool) -> None:
        self._ends_with_connection = False
        self._keep = keep
        self.answers += 1
        self._complete_answers.append((self._parser.get_status_code(), b"".join(self._parts)))
