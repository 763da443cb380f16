"""Bad input, part two: HTTP bodies that are no framed message, and messages that are no call."""

from __future__ import annotations

from typing import Final

from benchmarks.audit.bad_input_case import KNOWN, LONGEST, PAIRS_WITHOUT_END, Case, body, message
from benchmarks.audit.bad_input_node import ROLE, Target
from benchmarks.audit.bad_input_wire import HANDSHAKE, TENSOR, forward_message, framed
from harness.rpc.protocol import (
    FORWARD_PREFIX_BYTES,
    encode_long,
    encode_string,
)

_GOOD: Final = forward_message()
_CALL: Final = HANDSHAKE + b"\0"
_FORWARD: Final = _CALL + encode_string("forward")
_REST: Final = encode_string("fc1") + encode_string("t")
_HANDSHAKE_FIELDS: Final = ((0, 16), (16, 1), (17, 16), (33, 1))
"""Start and length of client hash, absent text, server hash, absent metadata."""
_NAME_FIELDS: Final = ((34, 1), (35, 1), (36, 7))
"""Start and length of absent metadata, length of the message's name, name."""


def avro_cases(target: Target) -> list[Case]:
    """Everything that ends before the node looks at a frame."""
    return [*_framing(target), *_calls(), *_cut_calls(target)]


def _framing(target: Target) -> list[Case]:
    most = target.limits.max_message_bytes
    tiny = framed(*[b"a"] * 10_000)
    bodies = {
        "a body of no bytes": (b"", "the message ends before its terminating frame"),
        "a body of one byte": (b"\0", "the message ends before its terminating frame"),
        "a body of three bytes": (b"\0\0\0", "the message ends before its terminating frame"),
        "an empty message": (framed(), "Read 0 bytes, expected 16 bytes"),
        "a frame length of 1 and no frame": (b"\0\0\0\1", "a frame of 1 bytes in a body with 0 bytes left"),
        "a frame length of 2^31": (b"\x80\0\0\0" + _GOOD, "a frame of 2147483648 bytes in a body with 54 bytes left"),
        "a frame length of 2^32-1": (
            b"\xff\xff\xff\xff" + _GOOD,
            "a frame of 4294967295 bytes in a body with 54 bytes left",
        ),
        "a frame one byte longer than the body": (
            (len(_GOOD) + 1).to_bytes(4, "big") + _GOOD,
            "a frame of 55 bytes in a body with 54 bytes left",
        ),
        "a frame length in little-endian": (
            len(_GOOD).to_bytes(4, "little") + _GOOD + b"\0\0\0\0",
            "a frame of 905969664 bytes in a body with 58 bytes left",
        ),
        "no terminator": (framed(_GOOD, end=b""), "the message ends before its terminating frame"),
        "half a terminator": (framed(_GOOD, end=b"\0\0"), "the message ends before its terminating frame"),
        "a terminator of 2^32-1": (
            framed(_GOOD, end=b"\xff\xff\xff\xff"),
            "a frame of 4294967295 bytes in a body with 0 bytes left",
        ),
        "a byte after the terminator": (framed(_GOOD) + b"x", "1 bytes after the terminating frame"),
        "two terminators": (framed(_GOOD) + b"\0\0\0\0", "4 bytes after the terminating frame"),
        "two messages in one body": (framed(_GOOD) * 2, "62 bytes after the terminating frame"),
        "the terminator first": (b"\0\0\0\0" + framed(_GOOD), "62 bytes after the terminating frame"),
        "no frames at all": (
            _GOOD,
            f"a frame of {int.from_bytes(_GOOD[:4])} bytes in a body with 50 bytes left",
        ),
        "text in place of frames": (
            b"Hello, node. Here is a picture.",
            "a frame of 1214606444 bytes in a body with 27 bytes left",
        ),
        "10,000 frames of one byte": (
            tiny,
            f"more than {1024 + len(tiny) // 256} frames in a body of {len(tiny)} bytes",
        ),
        "a message one byte over the limit": (framed(bytes(most + 1)), f"a message of more than {most} bytes"),
        "two frames that are too much together": (framed(bytes(most), b"a"), f"a message of more than {most} bytes"),
    }
    return [body(name, sent, text) for name, (sent, text) in bodies.items()]


def _calls() -> list[Case]:
    calls = {
        "a handshake and no call": (HANDSHAKE, "malformed call of ?: Read 0 bytes, expected 1 bytes"),
        "call metadata of 2^63-1 entries": (
            HANDSHAKE + LONGEST,
            f"malformed call of ?: {PAIRS_WITHOUT_END}",
        ),
        "call metadata of negative size": (
            HANDSHAKE + b"\1\1" + _GOOD[35:],
            "malformed call of ?: Read 4 bytes, expected 51 bytes",
        ),
        "call metadata of 10,001 entries": (
            HANDSHAKE + b"\xa2\x9c\1" + b"\0\0" * 10_001 + b"\0",
            "malformed call of ?: a value with more parts than a message may have",
        ),
        "no message name": (_CALL, "malformed call of ?: Read 0 bytes, expected 1 bytes"),
        "an empty message name": (
            _CALL + b"\0",
            f"unknown message ''; {KNOWN}",
        ),
        "an unknown message": (
            _CALL + encode_string("dance"),
            f"unknown message 'dance'; {KNOWN}",
        ),
        "a message name of an attribute": (
            _CALL + encode_string("__init__"),
            f"unknown message '__init__'; {KNOWN}",
        ),
        "a message name with a line end": (
            _CALL + encode_string("for\nward"),
            f"unknown message 'for\\nward'; {KNOWN}",
        ),
        "a message name of 50,000 letters": (
            _CALL + encode_string("a" * 50_000),
            f"unknown message '{'a' * 100}'; {KNOWN}",
        ),
        "a message name that is not UTF-8": (
            _CALL + b"\4\xff\xfe",
            "malformed call of ?: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        "a message name of negative length": (
            _CALL + b"\x0dforward",
            "malformed call of ?: Requested -7 bytes to read, expected positive integer.",
        ),
        "a message name of 2^63-1 bytes": (
            _CALL + LONGEST + b"forward",
            "malformed call of ?: Requested 9223372036854775807 bytes to read, but only 7 remain.",
        ),
        "no parameters": (_FORWARD, "malformed call of forward: the call ends within a length"),
        "a tensor cut short": (
            _FORWARD + b"\x08abc",
            "malformed call of forward: a length of 4 where 3 bytes are left",
        ),
        "a tensor of negative length": (
            _FORWARD + b"\7" + TENSOR + _REST,
            "malformed call of forward: a negative length: -4",
        ),
        "a tensor of 2^63-1 bytes": (
            _FORWARD + LONGEST + TENSOR + _REST,
            "malformed call of forward: a length of 9223372036854775807 where 10 bytes are left",
        ),
        "a tensor of -2^63 bytes": (
            _FORWARD + b"\xff" * 9 + b"\1" + TENSOR + _REST,
            "malformed call of forward: a negative length: -9223372036854775808",
        ),
        "a length of eleven bytes": (
            _FORWARD + b"\x88" + b"\x80" * 9 + b"\0" + TENSOR + _REST,
            "malformed call of forward: a length of more than 10 bytes",
        ),
        "no tag": (
            _FORWARD + b"\x08" + TENSOR + encode_string("fc1"),
            "malformed call of forward: the call ends within a length",
        ),
        "a tag that is not UTF-8": (
            _FORWARD + b"\x08" + TENSOR + encode_string("fc1") + b"\2\xff",
            "malformed call of forward: a string that is not UTF-8: invalid start byte",
        ),
        "a role that is not UTF-8": (
            _FORWARD + b"\x08" + TENSOR + b"\4\xc0\xaf" + encode_string("t"),
            "malformed call of forward: a string that is not UTF-8: invalid start byte",
        ),
        "a tag of half a surrogate": (
            _FORWARD + b"\x08" + TENSOR + encode_string("fc1") + b"\6\xed\xa0\x80",
            "malformed call of forward: a string that is not UTF-8: invalid continuation byte",
        ),
        "a tag of 5,000 bytes": (
            _FORWARD + b"\x08" + TENSOR + encode_string("fc1") + encode_string("t" * 5000),
            "malformed call of forward: a length of 5000 where at most 4096 are accepted",
        ),
        "a role of 5,000 bytes": (
            _FORWARD + b"\x08" + TENSOR + encode_string("f" * 5000) + encode_string("t"),
            "malformed call of forward: a length of 5000 where at most 4096 are accepted",
        ),
        "a byte after the last parameter": (
            _GOOD + b"\0",
            "malformed call of forward: 1 bytes after the last parameter",
        ),
        "a call of describe with a parameter": (
            _CALL + encode_string("describe") + b"\2x",
            "malformed call of describe: 2 bytes after the last value",
        ),
        "a call of begin without a run": (
            _CALL + encode_string("begin"),
            "malformed call of begin: Read 0 bytes, expected 1 bytes",
        ),
        "a call of begin with a run cut short": (
            _CALL + encode_string("begin") + b"\x14abc",
            "malformed call of begin: Read 3 bytes, expected 10 bytes",
        ),
        "a call of statistics with 2^63-1 bytes": (
            _CALL + encode_string("statistics") + LONGEST,
            "malformed call of statistics: Requested 9223372036854775807 bytes to read, but only 0 remain.",
        ),
        "a call of probe of negative length": (
            _CALL + encode_string("probe") + b"\1",
            "malformed call of probe: Requested -1 bytes to read, expected positive integer.",
        ),
        "a call of stop without a reason": (
            _CALL + encode_string("stop"),
            "malformed call of stop: Read 0 bytes, expected 1 bytes",
        ),
    }
    return [message(name, sent, text) for name, (sent, text) in calls.items()]


def _cut_calls(target: Target) -> list[Case]:
    """A good call that ends after each of its bytes around the tensor; and amid the tensor."""
    tensor = bytes(target.part_bytes)
    whole = forward_message(tensor, ROLE, target.tag())
    begin = whole.index(tensor)
    end = begin + len(tensor)
    cuts = [*range(1, begin), begin, begin + 1, begin + len(tensor) // 2, *range(end - 1, len(whole))]
    sizes = [len(tensor), len(ROLE), len(target.tag())]
    return [_cut(whole, cut, sizes) for cut in cuts]


def _cut(whole: bytes, cut: int, sizes: list[int]) -> Case:
    """What must be said of a call that ends at `cut`: the field in which that is, and what it lacks."""
    name = f"a call that ends after {cut} of {len(whole)} bytes"
    for start, size in _HANDSHAKE_FIELDS:
        if start <= cut < start + size:
            return body(name, framed(whole[:cut]), f"Read {cut - start} bytes, expected {size} bytes")
    for start, size in _NAME_FIELDS:
        if start <= cut < start + size:
            text = f"malformed call of ?: Read {cut - start} bytes, expected {size} bytes"
            return message(name, whole[:cut], text)
    start = FORWARD_PREFIX_BYTES
    for size in sizes:
        value = start + len(encode_long(size))
        if cut < value:
            return message(name, whole[:cut], "malformed call of forward: the call ends within a length")
        if cut < value + size:
            left = f"a length of {size} where {cut - value} bytes are left"
            return message(name, whole[:cut], f"malformed call of forward: {left}")
        start = value + size
    raise AssertionError(f"{cut} is not within the call")
