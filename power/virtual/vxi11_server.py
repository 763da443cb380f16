"""The virtual device on VXI-11: the core channel on a port of its own, without a portmapper.

VXI-11 (VXIbus Consortium, revision 1.0), section B.6: links, writes in parts, reads by size or by character, clear,
status byte. There are no locks, no interrupts, no triggers and no abort channel; such calls get error 8.
"""

from __future__ import annotations

import itertools
import socketserver
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from power.virtual.device import Device
from power.virtual.device_server import DeviceServer, reset_on_close
from power.virtual.onc_rpc import MalformedError, RpcCall, Status, Xdr, opaque, read_call, read_record, reply_to

_PROGRAM, _VERSION = 0x0607AF, 1
MAX_WRITE = 16_384
"""Bytes in one device_write, as create_link announces it."""
_MAX_MESSAGE = 65_536
_MAX_REPLIES = 64
_MAX_LINKS = 16
_MAX_NAME = 256
_MAX_WAIT_S = 60.0
_RECORD_S = 5.0  # a record that has begun must be there by then
_DEVICE = "inst0"

_OK, _NO_DEVICE, _NO_LINK, _PARAMETER, _UNSUPPORTED, _NO_ROOM, _IO_TIMEOUT = 0, 3, 4, 5, 8, 9, 15  # B.5.2
_END_FLAG, _CHAR_FLAG = 8, 128  # B.5.3
_BY_COUNT, _BY_CHAR, _BY_END = 1, 2, 4  # B.6.4
_MESSAGE_AVAILABLE = 0x10
_NOTHING, _DOCMD = 0, 22
_UNSUPPORTED_CALLS = (14, 16, 17, 18, 19, 20, 25, 26)  # trigger, remote, local, locks, service requests


@dataclass
class _Message:
    """A reply in the output queue."""

    data: bytes
    ready_s: float
    ended: bool = True
    stall_s: float = 0.0
    ending: Literal["", "eof", "rst"] = ""


@dataclass
class _Link:
    """A client's link: what it has written so far, and what waits for it.

    The queue keeps a reply until it is read or cleared, also when another question comes in between: instruments
    that do so are why a reply must be proved to belong to its question.
    """

    written: bytearray = field(default_factory=bytearray)
    replies: deque[_Message] = field(default_factory=lambda: deque(maxlen=_MAX_REPLIES))


class _HangUp(Exception):  # noqa: N818  no error: a fault that was ordered
    def __init__(self, ending: str) -> None:
        super().__init__(ending)
        self.ending = ending


class Vxi11Server(DeviceServer):
    """Serves the core channel; a client whose records are malformed is disconnected.

    Args:
        address: host and port; port 0 takes a free one.
        device: what answers.
        session: of the device, see `DeviceServer`; a second link gets error 9.
    """

    def __init__(self, address: tuple[str, int], device: Device, session: threading.Semaphore | None = None) -> None:
        super().__init__(address, device, _Channel, session)


class _Channel(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: Vxi11Server

    def setup(self) -> None:
        super().setup()
        self._links: dict[int, _Link] = {}
        self._ids = itertools.count(1)
        self._calls: dict[int, Callable[[Xdr], bytes]] = {
            10: self._create_link,
            11: self._write,
            12: self._read,
            13: self._status_byte,
            15: self._clear,
            23: self._destroy_link,
        }

    def handle(self) -> None:
        try:
            while head := self.rfile.read(1):
                self.connection.settimeout(_RECORD_S)
                record = read_record(self.rfile, head)
                self.connection.settimeout(None)
                call = read_call(record)
                self.wfile.write(reply_to(call, *self._answer(call)))
        except _HangUp as order:
            if order.ending == "rst":
                reset_on_close(self.connection)
        except (MalformedError, OSError):
            return  # nothing sensible can follow, or the client has gone
        finally:
            self._release(len(self._links))

    def _answer(self, call: RpcCall) -> tuple[Status, bytes]:
        if call.program != _PROGRAM:
            return Status.PROGRAM_UNAVAILABLE, b""
        if call.program_version != _VERSION:
            return Status.PROGRAM_MISMATCH, struct.pack(">II", _VERSION, _VERSION)
        if call.procedure in _FIXED_ANSWERS:
            return Status.SUCCESS, _FIXED_ANSWERS[call.procedure]
        if call.procedure not in self._calls:
            return Status.PROCEDURE_UNAVAILABLE, b""
        try:
            return Status.SUCCESS, self._calls[call.procedure](call.arguments)
        except MalformedError:
            return Status.GARBAGE_ARGUMENTS, b""

    # The calls: arguments and results in the order of VXI-11, B.6

    def _create_link(self, xdr: Xdr) -> bytes:
        _client, lock, _lock_timeout = xdr.signed(), xdr.unsigned(), xdr.unsigned()
        name = xdr.opaque(_MAX_NAME).decode("ascii", "replace")
        error = _OK
        if name.lower() != _DEVICE:
            error = _NO_DEVICE
        elif lock:
            error = _UNSUPPORTED
        elif len(self._links) >= _MAX_LINKS or not self._acquire():
            error = _NO_ROOM
        number = 0
        if not error:
            number = next(self._ids)
            self._links[number] = _Link()
        return _numbers(error, number, 0, MAX_WRITE)

    def _write(self, xdr: Xdr) -> bytes:
        link = self._links.get(xdr.signed())
        _io_timeout, _lock_timeout, flags = xdr.unsigned(), xdr.unsigned(), xdr.signed()
        data = xdr.opaque(_MAX_MESSAGE)
        if link is None:
            return _numbers(_NO_LINK, 0)
        if len(data) > MAX_WRITE or len(link.written) + len(data) > _MAX_MESSAGE:
            link.written.clear()
            return _numbers(_PARAMETER, 0)
        link.written += data
        if flags & _END_FLAG:
            lines = bytes(link.written).decode("ascii", "replace").splitlines()
            link.written.clear()
            for line in lines:
                self._run(link, line.strip())
        return _numbers(_OK, len(data))

    def _run(self, link: _Link, line: str) -> None:
        reply = self.server.device.answer(line)
        ready_s = time.monotonic() + reply.delay_s
        if reply.ending:
            link.replies.append(_Message(b"", ready_s, ending=reply.ending))
        for data in reply.messages:
            link.replies.append(_Message(data, ready_s, reply.terminated, reply.stall_s))

    def _read(self, xdr: Xdr) -> bytes:
        link = self._links.get(xdr.signed())
        wanted, io_timeout_ms, _lock_timeout = xdr.unsigned(), xdr.unsigned(), xdr.unsigned()
        flags, char = xdr.signed(), xdr.signed()
        if link is None:
            return _numbers(_NO_LINK, 0, 0)
        wait_s = min(io_timeout_ms / 1000, _MAX_WAIT_S)
        ready_s = link.replies[0].ready_s - time.monotonic() if link.replies else float("inf")
        if (pause_s := min(wait_s, ready_s)) > 0:
            time.sleep(pause_s)
        if ready_s > wait_s:
            return _numbers(_IO_TIMEOUT, 0, 0)
        message = link.replies[0]
        if message.ending:
            raise _HangUp(message.ending)
        if message.stall_s:
            time.sleep(message.stall_s)
            message.stall_s = 0.0
        size = min(wanted, len(message.data))
        at = message.data.find(char & 0xFF, 0, size) if flags & _CHAR_FLAG else -1
        size = at + 1 if at >= 0 else size
        data, message.data = message.data[:size], message.data[size:]
        reason = (_BY_COUNT if size == wanted else 0) | (_BY_CHAR if at >= 0 else 0)
        if not message.data:
            link.replies.popleft()
            reason |= _BY_END if message.ended else 0
        return _numbers(_OK, reason) + opaque(data)

    def _status_byte(self, xdr: Xdr) -> bytes:
        link = self._links.get(xdr.signed())
        if link is None:
            return _numbers(_NO_LINK, 0)
        waiting = link.replies and link.replies[0].data and link.replies[0].ready_s <= time.monotonic()
        return _numbers(_OK, _MESSAGE_AVAILABLE if waiting else 0)

    def _clear(self, xdr: Xdr) -> bytes:
        link = self._links.get(xdr.signed())
        if link is None:
            return _numbers(_NO_LINK)
        link.written.clear()
        link.replies.clear()
        return _numbers(_OK)

    def _destroy_link(self, xdr: Xdr) -> bytes:
        if self._links.pop(xdr.signed(), None) is None:
            return _numbers(_NO_LINK)
        self._release(1)
        return _numbers(_OK)

    def _acquire(self) -> bool:
        return self.server.session is None or self.server.session.acquire(blocking=False)

    def _release(self, links: int) -> None:
        if self.server.session and links:
            self.server.session.release(links)


def _numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


_FIXED_ANSWERS = {
    _NOTHING: b"",
    _DOCMD: _numbers(_UNSUPPORTED, 0),
    **dict.fromkeys(_UNSUPPORTED_CALLS, _numbers(_UNSUPPORTED)),
}
