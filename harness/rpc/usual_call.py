"""Calls of `forward` that begin with the very bytes of one that was read before: compared, not parsed again.

A connection of a farm carries one tensor after the other, of one size. Frame length, handshake, call head and the
tensor's length are then the same bytes each time, and only the tensor, `next` and `tag` differ.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from harness.rpc.errors import WireFormatError
from harness.rpc.framing import FRAME_LENGTH_BYTES, TERMINATOR, frame_length
from harness.rpc.protocol import FORWARD_PREFIX_BYTES, decode_length, decode_names

Call = tuple[memoryview, str, str]
"""Input, next, tag."""

_NOTHING: Final = b""


class UsualCall:
    """What the calls of one connection begin with, once one was read."""

    def __init__(self) -> None:
        self._body_bytes = 0
        self._begin = _NOTHING
        self._input_end = 0

    def learn(self, body: memoryview, prefixes: Container[bytes]) -> None:
        """Remember how a body begins, if it is a call of `forward` in a single frame.

        Args:
            body: of an HTTP request that could be answered, framing included.
            prefixes: the bytes before the parameters of calls that may be read without their schema.
        """
        size = len(body) - 2 * FRAME_LENGTH_BYTES
        start = FRAME_LENGTH_BYTES + FORWARD_PREFIX_BYTES
        if size <= 0 or body[:FRAME_LENGTH_BYTES] != frame_length(size) or body[-len(TERMINATOR) :] != TERMINATOR:
            return
        if bytes(body[FRAME_LENGTH_BYTES:start]) not in prefixes:
            return
        try:
            input_bytes, start = decode_length(body, start, size)
        except WireFormatError:
            return
        self._body_bytes = len(body)
        self._begin = bytes(body[:start])
        self._input_end = start + input_bytes

    def read(self, body: memoryview) -> Call | None:
        """The parameters of a call that begins as the one before; None where it does not, or is malformed."""
        begin, input_end = self._begin, self._input_end
        if len(body) != self._body_bytes or body[: len(begin)] != begin:
            return None
        tail = bytes(body[input_end:])
        if tail[-len(TERMINATOR) :] != TERMINATOR:
            return None
        names = decode_names(tail, len(tail) - len(TERMINATOR))
        return None if names is None else (body[len(begin) : input_end], *names)
