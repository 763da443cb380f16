"""The only file that knows VISA: a line out, a line back, and no wrong reply taken for a right one.

pyvisa-py 0.8 opens closed ports without a word, spins on a socket that the peer has closed, and hands a reply that
comes late to the next query. Each of these is met here, by what is documented beside it and in `power.link_guard`.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from power.errors import LinkError, ReplyError
from power.link_guard import Guard, PeerClosedError, RpcGuard, gone, guard_for, watched_opening

_TIMEOUT_S: Final = 0.5
"""Longest wait for a reply."""
_OPEN_S: Final = 2.0
_DRAIN_S: Final = 0.05
_INNER_SHARE: Final = 0.8
"""Part of the wait after which an instrument on VXI-11 itself says that it has no reply: before the link gives up."""
_NO_LINK: Final = {
    "3": ("has no such device name", "most are inst0, as in TCPIP::10.0.0.5::inst0::INSTR"),
    "9": ("is busy: it has no free session", "close the other program that is connected to it"),
    "11": ("is locked by another program", "close the other program that is connected to it"),
}
"""Error codes of create_link (VXI-11, B.5.2) -> what it means, the way out."""
_EXAMPLES: Final = "resources look like TCPIP::10.0.0.5::5025::SOCKET, TCPIP::10.0.0.5::INSTR, ASRL/dev/ttyUSB0::INSTR"
_OWNED: set[str] = set()
_OWNED_LOCK = threading.Lock()


class VisaLink:
    """One connection to one instrument, used by one thread at a time.

    Args:
        resource: VISA resource name, for example ``TCPIP::192.168.1.5::5025::SOCKET``.
        read_termination: what ends a reply, on a raw socket and a serial line; elsewhere the transport says it.
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
        self._manager: Any = None
        self._session: Any = None
        self._guard = Guard(resource, timeout_s)
        self._owns = False

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def open(self) -> None:
        """Open the session; on a raw socket the first query only shows whether anybody is there.

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

    def terminators(self, read: str, write: str) -> None:
        r"""Change what ends replies and commands, from the next query on and over reopenings.

        Args:
            read: of a reply: "\n", "\r\n" or "\r"; makes no difference where the transport says where a reply ends.
            write: of a command.
        """
        with self._lock:
            self._read_termination, self._write_termination = read, write
            if self._session is not None:
                self._terminate()

    def query(self, command: str) -> bytes:
        """Send one line and read one reply.

        Args:
            command: one line; several commands are joined by ";", because a write that follows a write waits for
                the peer's delayed acknowledgement (44 ms measured on a socket).

        Returns:
            The reply without its termination.

        Raises:
            ReplyError: nothing came in time (cause "timeout"), or something was there before the question
                ("duplicate"); the owner then calls `resynchronise`, for what may come later.
            LinkError: the connection is gone (causes "eof", "reset", "timeout", "unreachable").
        """
        with self._lock, self._translated(command):
            return self._ask(command, self._read_termination.encode()).rstrip(b"\r\n")

    def query_block(self, command: str) -> bytes:
        """Send one line and read a reply that may hold any bytes: an IEEE 488.2 definite-length block.

        Raises:
            ReplyError: nothing came in time, or the block is not complete.
            LinkError: the connection is gone.
        """
        with self._lock, self._translated(command):
            if not self._guard.by_line:
                return self._ask(command, b"")
            session = self._require()
            self._guard.refuse_stale()
            session.write(command)
            self._guard.await_reply(command, b"")
            head = bytes(session.read_bytes(2))
            if head[:1] != b"#" or not head[1:].isdigit() or head == b"#0":
                self._refuse(f"{head!r} begins no block", "garbage")
            digits = bytes(session.read_bytes(int(head[1:])))
            if not digits.isdigit():
                self._refuse(f"a block of {digits!r} bytes", "garbage")
            body = bytes(session.read_bytes(int(digits)))
            end = self._read_termination.encode()
            if (rest := bytes(session.read_bytes(len(end)))) != end:
                self._refuse(f"{rest!r} follows the block", "long")
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
            self._guard.drain()

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
            # One manager serves the whole process. It is held and never closed: that would close every other session.
            self._manager = pyvisa.ResourceManager("@py")
            with watched_opening(_OPEN_S):
                self._session = self._manager.open_resource(self.resource, open_timeout=round(_OPEN_S * 1000))
            sessions = getattr(self._session.visalib, "sessions", {})  # no public way to what is beneath
            self._guard = guard_for(sessions.get(self._session.session), self.resource, self._timeout_s)
            share = _INNER_SHARE if isinstance(self._guard, RpcGuard) else 1.0
            self._session.timeout = self._timeout_s * share * 1000
            self._terminate()
        except Exception as error:  # pyvisa-py raises Exception itself, and whatever its backends raise
            self._disconnect()
            raise self._not_opened(error) from error

    def _not_opened(self, error: Exception) -> LinkError:
        if isinstance(error, ConnectionRefusedError):
            return LinkError(f"{self.resource} refuses connections", "is the instrument on, and the port right?")
        if isinstance(error, ConnectionError):
            return gone(self.resource, f"hung up at once ({_reason(error)})", _cause(error))
        code = re.fullmatch(r"error creating link: (\d+)", str(error))
        if code and code[1] in _NO_LINK:
            what, hint = _NO_LINK[code[1]]
            return LinkError(f"{self.resource} {what}", hint)
        return LinkError(f"{self.resource} cannot be opened: {_reason(error)}", _EXAMPLES)

    def _terminate(self) -> None:
        if not hasattr(self._session, "write_termination"):
            raise TypeError("it takes no messages")
        self._session.write_termination = self._write_termination
        # Where the transport says where a reply ends, a terminator would cut a block in two.
        self._session.read_termination = self._read_termination if self._guard.by_line else None

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        guard, self._guard = self._guard, Guard(self.resource, self._timeout_s)
        if session is not None:
            with contextlib.suppress(Exception):  # whatever a dead peer makes of a farewell
                guard.farewell()
                session.close()

    def _require(self) -> Any:
        if self._session is None:
            raise LinkError(f"{self.resource} is not open", "", "unreachable")
        return self._session

    def _ask(self, command: str, end: bytes) -> bytes:
        session = self._require()
        self._guard.refuse_stale()
        begun_s = time.monotonic()
        session.write(command)
        self._guard.await_reply(command, end)
        reply = bytes(session.read_raw())
        took_s = time.monotonic() - begun_s
        if took_s > self._timeout_s:  # who knows of which instant it is
            raise ReplyError(f"{self.resource} answered {command} after {took_s:.2f} s", "timeout")
        return reply

    def _refuse(self, what: str, cause: str) -> None:
        self._guard.drain()
        raise ReplyError(f"{self.resource}: {what}", cause)

    @contextlib.contextmanager
    def _translated(self, command: str) -> Iterator[None]:
        """Errors of pyvisa and of the system as ours."""
        import pyvisa  # noqa: PLC0415

        try:
            yield
        except (LinkError, ReplyError):
            raise
        except pyvisa.errors.VisaIOError as error:
            unanswered = f"did not answer {command} in {self._timeout_s:g} s"
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                raise ReplyError(f"{self.resource} {unanswered}", "timeout") from None
            if self._guard.silent:
                raise gone(self.resource, unanswered, "timeout") from None
            raise gone(self.resource, _reason(error), "eof") from None
        except ConnectionRefusedError as error:
            raise self._not_opened(error) from None
        except TimeoutError as error:
            raise gone(self.resource, _reason(error), "timeout") from None
        except ConnectionError as error:
            raise gone(self.resource, _reason(error), _cause(error)) from None
        except Exception as error:  # pyvisa-py: RuntimeError of HiSLIP, RPCError and EOFError of VXI-11, assertions
            raise gone(self.resource, _reason(error), "eof") from error


def _cause(error: ConnectionError) -> str:
    return "eof" if isinstance(error, PeerClosedError) else "reset"


def _reason(error: BaseException) -> str:
    text = re.sub(r"^VI_ERROR_\w+ \(-?\d+\): ", "", str(error).strip()).splitlines()
    return text[0] if text else type(error).__name__
