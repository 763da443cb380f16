"""ONC RPC over TCP, the side of a server, as far as VXI-11 needs it: records, calls, XDR (RFC 5531, RFC 4506)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

MAX_RECORD = 65_536
"""Bytes in one record: a write of the largest size that VXI-11 is told of here, and its header."""
_LAST = 0x8000_0000
_CALL, _REPLY = 0, 1
_VERSION = 2
_ACCEPTED, _DENIED = 0, 1
_MAX_AUTH = 400  # RFC 5531, 8.2
_NO_AUTH = struct.pack(">II", 0, 0)


class Status(IntEnum):
    """Whether a call was carried out."""

    SUCCESS = 0
    PROGRAM_UNAVAILABLE = 1
    PROGRAM_MISMATCH = 2
    PROCEDURE_UNAVAILABLE = 3
    GARBAGE_ARGUMENTS = 4


class MalformedError(Exception):
    """Bytes that are no record, no call, or not the arguments of one."""


class Stream(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """As many bytes; fewer at the end of the stream only."""


class Xdr:
    """Takes values out of bytes from the front. Every method raises MalformedError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unsigned(self) -> int:
        """A 32-bit number without sign."""
        (value,) = struct.unpack(">I", self._take(4))
        return int(value)

    def signed(self) -> int:
        """A 32-bit number with sign."""
        (value,) = struct.unpack(">i", self._take(4))
        return int(value)

    def opaque(self, longest: int) -> bytes:
        """Bytes with their length before them, padded to a multiple of 4; also refuses more than `longest`."""
        size = self.unsigned()
        if size > longest:
            raise MalformedError(f"{size} bytes where {longest} are allowed")
        data = self._take(size)
        self._at = min(len(self._data), self._at + -size % 4)
        return data

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise MalformedError(f"{size} bytes expected, {len(data)} are there")
        self._at += size
        return data


def opaque(data: bytes) -> bytes:
    """Bytes in XDR: length, data, padding."""
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


@dataclass(frozen=True)
class RpcCall:
    """A call, with its arguments still packed."""

    xid: int
    version: int
    program: int
    program_version: int
    procedure: int
    arguments: Xdr


def read_record(stream: Stream, head: bytes = b"") -> bytes:
    """Read one record of any number of fragments.

    Args:
        stream: where it comes from.
        head: bytes of it that were read already, at most 4.

    Raises:
        MalformedError: it is longer than `MAX_RECORD`, or ends early. No more than announced, and no more than
            allowed, was read by then.
    """
    record = bytearray()
    while True:
        mark = int.from_bytes(head + _exactly(stream, 4 - len(head)), "big")
        size = mark & ~_LAST
        # Empty fragments that are not the last would go on for ever.
        if len(record) + size > MAX_RECORD or (not size and not mark & _LAST):
            raise MalformedError(f"a record of more than {MAX_RECORD} bytes, or an empty fragment")
        record += _exactly(stream, size)
        if mark & _LAST:
            return bytes(record)
        head = b""


def read_call(record: bytes) -> RpcCall:
    """Read the header of a call.

    Raises:
        MalformedError: it is none.
    """
    xdr = Xdr(record)
    xid, kind, version = xdr.unsigned(), xdr.unsigned(), xdr.unsigned()
    if kind != _CALL:
        raise MalformedError(f"message type {kind} is no call")
    program, program_version, procedure = xdr.unsigned(), xdr.unsigned(), xdr.unsigned()
    for _ in ("credentials", "verifier"):
        xdr.unsigned()
        xdr.opaque(_MAX_AUTH)
    return RpcCall(xid, version, program, program_version, procedure, xdr)


def reply_to(call: RpcCall, status: Status, result: bytes = b"") -> bytes:
    """The record that answers a call."""
    if call.version != _VERSION:
        body = struct.pack(">IIIIII", call.xid, _REPLY, _DENIED, 0, _VERSION, _VERSION)
    else:
        body = struct.pack(">III", call.xid, _REPLY, _ACCEPTED) + _NO_AUTH + struct.pack(">I", status) + result
    return struct.pack(">I", _LAST | len(body)) + body


def _exactly(stream: Stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise MalformedError(f"the record ends after {len(data)} of {size} bytes")
    return data
