"""What pyvisa-py does not see of its own connections: a peer that is gone, one that is silent, a reply left over.

One guard stands beside each session and knows its transport. Nothing here imports VISA: guards look at the sockets and
ports beneath it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, Self

from power.errors import LinkError, ReplyError

_GONE: Final = "is the instrument on, and is no other program connected to it?"
_PART_S: Final = 0.001
_LONGEST_PART_S: Final = 0.02
_FAREWELL_S: Final = 0.1
_MESSAGE_AVAILABLE: Final = 0x10  # bit 4 of the status byte: the output queue holds something (IEEE 488.2, 11.2.1.2)
_RPC: Final = "pyvisa_py.protocols.rpc"
_OPENING = threading.Lock()


class PeerClosedError(ConnectionError):
    """The other side has ended the connection in good order."""

    def __init__(self) -> None:
        super().__init__("the connection was closed by the other side")


class WatchedSocket(socket.socket):
    """A socket that raises where a plain one returns nothing, and where an answer does not come.

    pyvisa-py takes "nothing, because closed" for "nothing yet", and asks again as fast as it can until its time is
    over: a core at 100 % for 1.0 s on a raw socket, for 1.5 s on VXI-11, and for 5 s while it opens VXI-11.

    Attributes:
        patience_s: longest wait between a request and the first byte of its answer, for protocols in which each
            request has one; None does not wait.
        silent: whether an answer failed to come.
    """

    patience_s: float | None = None
    silent: bool = False

    @classmethod
    def over(cls, plain: socket.socket) -> Self:
        """Take a connection over; the plain socket is of no use afterwards."""
        timeout_s = plain.gettimeout()
        watched = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        watched.settimeout(timeout_s)
        watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return watched

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As in a plain socket, but raises `PeerClosedError` at the end of the stream."""
        data = super().recv(bufsize, flags)
        if not data and bufsize:
            raise PeerClosedError
        return data

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As in a plain socket, and then waits for the answer to begin; raises TimeoutError where it does not."""
        super().sendall(data, flags)
        if self.patience_s is not None and not select.select([self], [], [], self.patience_s)[0]:
            self.silent = True
            raise TimeoutError(f"no answer in {self.patience_s:g} s")


@contextlib.contextmanager
def watched_opening(patience_s: float) -> Iterator[None]:
    """While it lasts, pyvisa-py's RPC client connects with a `WatchedSocket`.

    It says hello as it connects, so that afterwards is too late, and it has no place to pass a socket in. Elsewhere
    in the process, and after this, its class is as it was.

    Raises:
        TimeoutError: it connects, and nobody answers; other errors pass.
    """
    client = getattr(sys.modules.get(_RPC), "RawTCPClient", None)
    if client is None:  # another version: sessions are watched once they are open
        yield
        return
    made: list[WatchedSocket] = []
    with _OPENING:
        plain = client.connect

        def connect(self: Any, *args: Any, **kwargs: Any) -> None:
            plain(self, *args, **kwargs)
            self.sock = WatchedSocket.over(self.sock)
            self.sock.patience_s = patience_s
            made.append(self.sock)

        client.connect = connect
        try:
            yield
        except Exception as error:
            for connection in made:
                connection.close()
            if any(connection.silent for connection in made):  # pyvisa-py calls it an unknown device
                raise TimeoutError(f"nobody answers in {patience_s:g} s") from error
            raise
        finally:
            client.connect = plain


class Guard:
    """For transports that frame their replies and number them, as HiSLIP does, or whose inside is not known.

    Attributes:
        by_line: whether a reply ends with a terminator; otherwise the transport says where it ends.
    """

    by_line = False

    def __init__(self, resource: str, timeout_s: float) -> None:
        self._resource = resource
        self._timeout_s = timeout_s

    @property
    def silent(self) -> bool:
        """Whether the peer let a request of the transport itself unanswered."""
        return False

    def refuse_stale(self) -> None:
        """Make sure that no reply is left over before the next question; raises ReplyError or LinkError."""

    def await_reply(self, command: str, end: bytes) -> None:
        """Wait, asleep, until a reply is here; raises ReplyError or LinkError where there will be none.

        Args:
            command: what was asked, for the message.
            end: the terminator to wait for; the first byte is enough where it is empty.
        """

    def drain(self) -> None:
        """Throw away whatever is here."""

    def farewell(self) -> None:
        """Do not wait long any more: the session is about to be closed."""


class StreamGuard(Guard):
    """For a raw socket, which knows neither where a reply ends nor what it answers."""

    by_line = True

    def __init__(self, resource: str, timeout_s: float, inner: Any) -> None:
        super().__init__(resource, timeout_s)
        self._inner = inner
        inner.interface = WatchedSocket.over(inner.interface)

    def refuse_stale(self) -> None:
        """See `Guard.refuse_stale`."""
        if self._inner._pending_buffer or self._readable(0):  # noqa: SLF001  read ahead by pyvisa-py, no public way
            if not self._inner._pending_buffer:  # noqa: SLF001
                self._inner.interface.recv(1, socket.MSG_PEEK)
            self.drain()
            raise ReplyError(f"{self._resource} sent a reply that nobody asked for", "duplicate")

    def await_reply(self, command: str, end: bytes) -> None:
        """See `Guard.await_reply`."""
        give_up_s = time.monotonic() + self._timeout_s
        seen, pause_s = b"", _PART_S
        while (left_s := give_up_s - time.monotonic()) > 0 and self._readable(left_s):
            seen = self._inner.interface.recv(65_536, socket.MSG_PEEK)
            if end in seen:
                return
            time.sleep(pause_s)  # a part of the reply keeps the socket readable
            pause_s = min(2 * pause_s, _LONGEST_PART_S)
        if seen:
            self.drain()
            raise ReplyError(f"{self._resource} answered {command} with {seen[:40]!r}, which has no end", "truncated")
        raise ReplyError(f"{self._resource} did not answer {command} in {self._timeout_s:g} s", "timeout")

    def drain(self) -> None:
        """See `Guard.drain`."""
        self._inner._pending_buffer.clear()  # noqa: SLF001
        while self._readable(0):
            self._inner.interface.recv(65_536)

    def _readable(self, wait_s: float) -> bool:
        return bool(select.select([self._inner.interface], [], [], wait_s)[0])


class SerialGuard(Guard):
    """For a serial port."""

    by_line = True

    def __init__(self, resource: str, timeout_s: float, port: Any) -> None:
        super().__init__(resource, timeout_s)
        self._port = port

    def refuse_stale(self) -> None:
        """See `Guard.refuse_stale`."""
        if self._port.in_waiting:
            self.drain()
            raise ReplyError(f"{self._resource} sent a reply that nobody asked for", "duplicate")

    def drain(self) -> None:
        """See `Guard.drain`."""
        self._port.reset_input_buffer()


class RpcGuard(Guard):
    """For VXI-11: each call has its answer, but the instrument's output queue may hold an earlier reply."""

    def __init__(self, resource: str, timeout_s: float, inner: Any) -> None:
        super().__init__(resource, timeout_s)
        self._inner = inner
        if not isinstance(inner.interface.sock, WatchedSocket):
            inner.interface.sock = WatchedSocket.over(inner.interface.sock)
        self._socket: WatchedSocket = inner.interface.sock
        self._socket.patience_s = timeout_s
        self._has_status = True

    @property
    def silent(self) -> bool:
        """See `Guard.silent`."""
        return self._socket.silent

    def refuse_stale(self) -> None:
        """See `Guard.refuse_stale`; asks for the status byte, 0.1 ms on a loopback."""
        if self._waiting():
            self.drain()
            # An instrument whose bit is still set means something else by it: ask no more.
            self._has_status = not self._waiting()
            if self._has_status:
                raise ReplyError(f"{self._resource} sent a reply that nobody asked for", "duplicate")

    def drain(self) -> None:
        """See `Guard.drain`: device_clear, which empties the queues of the instrument."""
        self._inner.clear()

    def farewell(self) -> None:
        """See `Guard.farewell`."""
        self._socket.patience_s = _FAREWELL_S

    def _waiting(self) -> bool:
        if not self._has_status:
            return False
        status_byte, error = self._inner.read_stb()
        if error:
            self._has_status = False
            return False
        return bool(status_byte & _MESSAGE_AVAILABLE)


def guard_for(inner: Any, resource: str, timeout_s: float) -> Guard:
    """The guard of a session.

    Args:
        inner: the session object of pyvisa-py; None where it is not to be had.
        resource: its name, for messages.
        timeout_s: longest wait for a reply.
    """
    interface = getattr(inner, "interface", None)
    if isinstance(interface, socket.socket) and hasattr(inner, "_pending_buffer"):
        return StreamGuard(resource, timeout_s, inner)
    if isinstance(getattr(interface, "sock", None), socket.socket):
        return RpcGuard(resource, timeout_s, inner)
    if hasattr(interface, "reset_input_buffer"):
        return SerialGuard(resource, timeout_s, interface)
    return Guard(resource, timeout_s)


def gone(resource: str, reason: str, cause: str) -> LinkError:
    """The error of a connection that is lost."""
    return LinkError(f"{resource}: {reason}", _GONE, cause)
