"""The only file that knows VISA: a line out, a line back, and no wrong reply taken for a right one.

pyvisa-py 0.8 opens closed ports without a word, spins on a socket that the peer has closed, and hands a reply that
comes late to the next query. Each of these is met here, by what is documented beside it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from power.errors import LinkError, ReplyError

_TIMEOUT_S: Final = 0.5
"""Longest wait for a reply: a dead peer costs this much of a core at most, before it is noticed."""
_DRAIN_S: Final = 0.05
_PART_S: Final = 0.001
_OWNED: set[str] = set()
_OWNED_LOCK = threading.Lock()


class VisaLink:
    """One connection to one instrument, used by one thread at a time.

    Args:
        resource: VISA resource name, for example ``TCPIP::192.168.1.5::5025::SOCKET``.
        read_termination: what ends a reply.
        write_termination: what ends a command.
        timeout_s: longest wait for a reply.
    """

    def __init__(
        self,
        resource: str,
        *,
        read_termination: str = "\n",
        write_termination: str = "\n",
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self.resource = resource
        self._read_termination = read_termination
        self._write_termination = write_termination
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._session: Any = None
        self._manager: Any = None
        self._owns = False

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def open(self) -> None:
        """Open the session; whether anybody is there shows the first query only.

        Raises:
            LinkError: the resource name is malformed, nothing can be opened, or this process has it open already.
        """
        with self._lock:
            if self._session is not None:
                return
            self._own()
            try:
                self._connect()
            except BaseException:
                self._disown()
                raise

    def query(self, command: str) -> bytes:
        """Send one line and read one reply.

        Args:
            command: one line; several commands are joined by ";", because a write that follows a write waits for
                the peer's delayed acknowledgement (44 ms measured on a socket).

        Returns:
            The reply without its termination.

        Raises:
            ReplyError: nothing came in time (cause "timeout"); the link has thrown away what may come later.
            LinkError: the connection is gone (causes "eof", "reset", "unreachable").
        """
        with self._lock, self._translated(command):
            session = self._require()
            self._refuse_stale()
            session.write(command)
            self._await_reply(command, line=True)
            return bytes(session.read_raw()).rstrip(b"\r\n")

    def query_block(self, command: str) -> bytes:
        """Send one line and read a reply that may hold any bytes: an IEEE 488.2 definite-length block.

        Raises:
            ReplyError: nothing came in time, or the block is not complete.
            LinkError: the connection is gone.
        """
        with self._lock, self._translated(command):
            session = self._require()
            self._refuse_stale()
            session.write(command)
            self._await_reply(command, line=False)
            head = bytes(session.read_bytes(2))
            if head[:1] != b"#" or not head[1:].isdigit() or head == b"#0":
                self._drain()
                raise ReplyError(f"{self.resource}: {head!r} begins no block", "garbage")
            digits = bytes(session.read_bytes(int(head[1:])))
            if not digits.isdigit():
                self._drain()
                raise ReplyError(f"{self.resource}: a block of {digits!r} bytes", "garbage")
            body = bytes(session.read_bytes(int(digits)))
            self._drain()
            return head + digits + body

    def write(self, command: str) -> None:
        """Send one line that has no reply.

        Raises:
            LinkError: the connection is gone.
        """
        with self._lock, self._translated(command):
            self._require().write(command)

    def resynchronise(self) -> None:
        """After a reply that did not come: clear the instrument, and throw away whatever is on its way.

        Raises:
            LinkError: the connection is gone.
        """
        with self._lock, self._translated("clear"):
            session = self._require()
            with contextlib.suppress(NotImplementedError):
                session.clear()
            time.sleep(_DRAIN_S)
            self._drain()

    def close(self) -> None:
        """Close the session; does nothing the second time."""
        with self._lock:
            self._disconnect()
            self._disown()

    def reopen(self) -> None:
        """Close and open again.

        Raises:
            LinkError: it cannot be opened.
        """
        with self._lock:
            self._disconnect()
            self._own()
            self._connect()

    # The session

    def _own(self) -> None:
        # Two sessions on one socket meter mix their replies (227 of 300 wrong when tried).
        with _OWNED_LOCK:
            if not self._owns and self.resource in _OWNED:
                raise LinkError(
                    f"{self.resource} is open already in this process", "close it there first", "unreachable"
                )
            _OWNED.add(self.resource)
            self._owns = True

    def _disown(self) -> None:
        with _OWNED_LOCK:
            if self._owns:
                _OWNED.discard(self.resource)
                self._owns = False

    def _connect(self) -> None:
        try:
            import pyvisa  # noqa: PLC0415  a quarter of a second that only a meter needs
        except ImportError as error:
            raise LinkError("pyvisa is not installed", "pip install pyvisa pyvisa-py") from error
        try:
            self._manager = pyvisa.ResourceManager("@py")
            self._session = self._manager.open_resource(self.resource)
            self._session.timeout = self._timeout_s * 1000
            if hasattr(self._session, "read_termination"):
                self._session.read_termination = self._read_termination
                self._session.write_termination = self._write_termination
            sock = self._socket()
            if sock is not None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (pyvisa.Error, OSError, RuntimeError, ValueError, NotImplementedError, AttributeError) as error:
            self._disconnect()
            raise LinkError(
                f"{self.resource} cannot be opened: {_reason(error)}",
                "resources look like TCPIP::10.0.0.5::5025::SOCKET, TCPIP::10.0.0.5::INSTR, ASRL/dev/ttyUSB0::INSTR",
            ) from error

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        manager, self._manager = self._manager, None
        for thing in (session, manager):
            if thing is not None:
                with contextlib.suppress(Exception):  # whatever a dead peer makes of a farewell
                    thing.close()

    def _require(self) -> Any:
        if self._session is None:
            raise LinkError(f"{self.resource} is not open", "", "unreachable")
        return self._session

    @contextlib.contextmanager
    def _translated(self, command: str) -> Iterator[None]:
        """Errors of pyvisa and of the system as ours."""
        import pyvisa  # noqa: PLC0415

        try:
            yield
        except (LinkError, ReplyError):
            raise
        except pyvisa.errors.VisaIOError as error:
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                raise ReplyError(
                    f"{self.resource} did not answer {command} in {self._timeout_s:g} s", "timeout"
                ) from None
            raise LinkError(f"{self.resource}: {_reason(error)}", "is the instrument on?", "eof") from None
        except ConnectionRefusedError:
            raise LinkError(
                f"{self.resource} refuses connections", "is the instrument on, and the port right?"
            ) from None
        except ConnectionError as error:
            raise LinkError(f"{self.resource}: {_reason(error)}", "is the instrument on?", "reset") from None
        except (OSError, RuntimeError, pyvisa.Error) as error:
            raise LinkError(f"{self.resource}: {_reason(error)}", "is the instrument on?", "eof") from None

    # What pyvisa-py does not see

    def _inner(self) -> Any:
        """The session object of pyvisa-py; there is no public way to its socket."""
        sessions = getattr(getattr(self._session, "visalib", None), "sessions", None)
        return sessions.get(self._session.session) if sessions is not None else None

    def _socket(self) -> socket.socket | None:
        """The socket of a raw TCP session, else None: other transports frame their replies."""
        interface = getattr(self._inner(), "interface", None)
        return interface if isinstance(interface, socket.socket) else None

    def _refuse_stale(self) -> None:
        """Bytes that are here before the question answer an earlier one."""
        sock = self._socket()
        if sock is None:
            return
        pending = getattr(self._inner(), "_pending_buffer", b"")
        if pending or select.select([sock], [], [], 0)[0]:
            if not pending and sock.recv(1, socket.MSG_PEEK) == b"":
                raise LinkError(f"{self.resource} closed the connection", "is the instrument on?", "eof")
            self._drain()
            raise ReplyError(f"{self.resource} sent a reply that nobody asked for", "duplicate")

    def _await_reply(self, command: str, *, line: bool) -> None:
        """Wait until a reply is here, asleep and not spinning; raises where there will be none.

        Args:
            command: what was asked, for the message.
            line: wait for the termination; otherwise the first byte is enough.
        """
        sock = self._socket()
        if sock is None:
            return
        end = self._read_termination.encode()
        give_up_s = time.monotonic() + self._timeout_s
        seen = b""
        while (left_s := give_up_s - time.monotonic()) > 0:
            if not select.select([sock], [], [], left_s)[0]:
                break
            seen = sock.recv(65_536, socket.MSG_PEEK)
            if not seen:
                raise LinkError(f"{self.resource} closed the connection", "is the instrument on?", "eof")
            if not line or end in seen:
                return
            time.sleep(_PART_S)  # a part of the reply keeps the socket readable
        if seen:
            self._drain()
            raise ReplyError(f"{self.resource} answered {command} with {seen[:40]!r}, which has no end", "truncated")
        raise ReplyError(f"{self.resource} did not answer {command} in {self._timeout_s:g} s", "timeout")

    def _drain(self) -> None:
        """Throw away whatever is here."""
        sock = self._socket()
        if sock is None:
            return
        pending = getattr(self._inner(), "_pending_buffer", None)
        if pending is not None:
            pending.clear()
        while select.select([sock], [], [], 0)[0]:
            if not sock.recv(65_536):
                raise LinkError(f"{self.resource} closed the connection", "is the instrument on?", "eof")


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
