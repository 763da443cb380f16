"""Bad input, part three: messages without a handshake, and clients that declare the protocol in a harmful way."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

from benchmarks.audit.bad_input_case import KNOWN, LONGEST, PAIRS_WITHOUT_END, Case, body, message
from benchmarks.audit.bad_input_wire import HANDSHAKE, forward_message, framed
from harness.rpc.handshake import HandshakeRequest
from harness.rpc.protocol import MAX_PROTOCOL_BYTES, PROTOCOL_HASH, PROTOCOL_TEXT, encode_string, protocol_hash

_GOOD: Final = forward_message()
_INPUT: Final = {"name": "input", "type": "bytes"}
_NEXT: Final = {"name": "next", "type": "string"}
_TAG: Final = {"name": "tag", "type": "string"}
_PARAMETERS: Final = b"\4ab" + encode_string("fc1") + encode_string("t")
_LARGE_ONES: Final = 40
_UNKNOWN: Final = f"unknown message 'forward'; {KNOWN}"
_UNREADABLE: Final = "bad handshake: the protocol text cannot be read: "


def handshake_cases() -> list[Case]:
    """Everything that ends before a call is looked at, or that a declaration does to it."""
    return [*_handshakes(), *_declarations(), *_large_declarations()]


def _handshakes() -> list[Case]:
    unread = {
        "a message of one byte": (b"\0", "Read 1 bytes, expected 16 bytes"),
        "a message of zeros": (bytes(33), "Read 0 bytes, expected 1 bytes"),
        "half a hash": (HANDSHAKE[:7], "Read 7 bytes, expected 16 bytes"),
        "a handshake without the server's hash": (HANDSHAKE[:20], "Read 3 bytes, expected 16 bytes"),
        "a third branch in the handshake": (
            PROTOCOL_HASH + b"\4" + PROTOCOL_HASH + b"\0" + _GOOD[34:],
            "Can't access branch index 2 for union with 2 branches",
        ),
        "a negative branch in the handshake": (
            PROTOCOL_HASH + b"\1" + PROTOCOL_HASH + b"\0",
            "Can't access branch index -1 for union with 2 branches",
        ),
        "a branch of 2^63-1 in the handshake": (
            PROTOCOL_HASH + LONGEST + PROTOCOL_HASH + b"\0",
            "Can't access branch index 9223372036854775807 for union with 2 branches",
        ),
        "a branch of eleven bytes in the handshake": (
            PROTOCOL_HASH + b"\x80" * 11 + PROTOCOL_HASH,
            "Varint is too long",
        ),
        "a protocol text of 2^63-1 bytes": (
            PROTOCOL_HASH + b"\2" + LONGEST + b"{}",
            "Requested 9223372036854775807 bytes to read, but only 2 remain.",
        ),
        "a protocol text of negative length": (
            PROTOCOL_HASH + b"\2\5{}",
            "Requested -3 bytes to read, expected positive integer.",
        ),
        "a protocol text that is not UTF-8": (
            PROTOCOL_HASH + b"\2\4\xff\xfe" + PROTOCOL_HASH + b"\0",
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        "handshake metadata of 2^63-1 entries": (
            HANDSHAKE[:-1] + b"\2" + LONGEST,
            PAIRS_WITHOUT_END,
        ),
        "handshake metadata of 10,001 entries": (
            HANDSHAKE[:-1] + b"\2\xa2\x9c\1" + b"\0\0" * 10_001 + b"\0",
            "a value with more parts than a message may have",
        ),
        "handshake metadata of 15,000 blocks": (
            HANDSHAKE[:-1] + b"\2" + b"\2\0\0" * 15_000 + b"\0",
            "a value with more parts than a message may have",
        ),
        "handshake metadata of negative length": (
            HANDSHAKE[:-1] + b"\2\2\1a\0",
            "Requested -1 bytes to read, expected positive integer.",
        ),
        "handshake metadata with a value of 2^63-1 bytes": (
            HANDSHAKE[:-1] + b"\2\2\2a" + LONGEST,
            "Requested 9223372036854775807 bytes to read, but only 0 remain.",
        ),
        "a handshake of the server": (
            b"\0\0\0\0" + _GOOD[34:],
            "Can't access branch index -2 for union with 2 branches",
        ),
        "an Avro data file": (
            b"Obj\1\4\x16avro.schema" + bytes(60),
            "Can't access branch index -49 for union with 2 branches",
        ),
    }
    other, unknown = HandshakeRequest(b"?" * 16, PROTOCOL_HASH).encode(), "no protocol"
    foreign = [
        *_declared_as(
            "a text that is not JSON",
            unknown,
            f"{_UNREADABLE}Error parsing JSON: no protocol",
        ),
        *_declared_as("an empty text", "", f"{_UNREADABLE}Error parsing JSON: "),
    ]
    forged = HandshakeRequest(b"?" * 16, PROTOCOL_HASH, PROTOCOL_TEXT).encode()
    return [
        *(body(name, framed(sent), text) for name, (sent, text) in unread.items()),
        message("another protocol's hash", other + _GOOD[34:], "handshake NONE"),
        message(
            "a protocol text under another's hash",
            forged + _GOOD[34:],
            "bad handshake: the client's hash is not the MD5 of its protocol text",
        ),
        *foreign,
    ]


def _declared_as(name: str, text: str, said: str, extra: bytes = b"") -> list[Case]:
    handshake = HandshakeRequest(protocol_hash(text), PROTOCOL_HASH, text).encode()
    return [message(name, handshake + b"\0" + encode_string("forward") + extra + _PARAMETERS, said)]


def _declared(*parameters: Any, types: list[Any] | None = None, name: str = "forward", **extra: Any) -> str:
    declaration = {"request": list(parameters), "response": "null"}
    return json.dumps({"protocol": "image", "types": types or [], "messages": {name: declaration}} | extra)


def _declarations() -> list[Case]:
    """Clients that declare the protocol in their own way, so that the schema resolution has to look."""
    doubling = [{"type": "record", "name": "R0", "fields": [{"name": "a", "type": "null"}]}]
    for level in range(1, 40):
        fields: Any = [{"name": one, "type": f"R{level - 1}"} for one in "ab"]
        doubling.append({"type": "record", "name": f"R{level}", "fields": fields})
    itself = [{"type": "record", "name": "S", "fields": [{"name": "s", "type": ["null", "S"]}]}]
    nulls, fixed = {"type": "array", "items": "null"}, {"type": "fixed", "name": "F", "size": 2**60}

    def with_x(kind: Any, types: list[Any] | None = None) -> str:
        return _declared({"name": "x", "type": kind}, _INPUT, _NEXT, _TAG, types=types)

    long_doc = _declared(_INPUT, _NEXT, _TAG, doc="x" * MAX_PROTOCOL_BYTES)
    cases = [
        (
            "a declaration of brackets alone",
            "[" * 5000,
            b"",
            f"{_UNREADABLE}maximum recursion depth exceeded while decoding a JSON array from a unicode string",
        ),
        (
            "a declaration that is a list",
            "[]",
            b"",
            f"{_UNREADABLE}Not a JSON object: []",
        ),
        (
            "a declaration that is a number",
            "7",
            b"",
            f"{_UNREADABLE}Not a JSON object: 7",
        ),
        (
            "a declaration of wrong types",
            json.dumps({"messages": 5, "protocol": 7}),
            b"",
            f"{_UNREADABLE}The name property must be a string.",
        ),
        (
            "a declaration that is too long",
            long_doc,
            b"",
            "bad handshake: a protocol text of 32980 characters; at most 32768 are read",
        ),
        (
            "a declaration without messages",
            json.dumps({"protocol": "image"}),
            b"",
            _UNKNOWN,
        ),
        (
            "a declaration of another message",
            _declared(_INPUT, _NEXT, _TAG, name="other"),
            b"",
            _UNKNOWN,
        ),
        (
            "a declaration without a tag",
            _declared(_INPUT, _NEXT),
            b"",
            "malformed call of forward: No default value for field tag",
        ),
        (
            "a declaration with text for bytes",
            _declared({"name": "input", "type": "int"}, _NEXT, _TAG),
            b"",
            "malformed call of forward: Schemas do not match.",
        ),
        (
            "a type that does not exist",
            with_x("nonsense"),
            b"",
            (
                f'{_UNREADABLE}Type property "nonsense" not a valid Avro schema: '
                "Could not make an Avro Schema object from nonsense"
            ),
        ),
        (
            "a type that doubles 39 times",
            with_x("R39", doubling),
            b"",
            "bad handshake: message 'forward' is endless or far too complex",
        ),
        (
            "an array of a type that doubles 39 times",
            with_x({"type": "array", "items": "R39"}, doubling),
            b"\2",
            "bad handshake: message 'forward' is endless or far too complex",
        ),
        (
            "a type that holds itself",
            with_x("S", itself),
            b"\2" * 20_000 + b"\0",
            "bad handshake: message 'forward' is endless or far too complex",
        ),
        (
            "an array of 2^63-1 nulls",
            with_x(nulls),
            LONGEST,
            (
                "malformed call of forward: Cannot read more than 10000000 zero-byte collection elements in a single "
                "datum (reached 9223372036854775807); "
                "raise the AVRO_MAX_COLLECTION_ITEMS limit if this is legitimate."
            ),
        ),
        (
            "an array of 10^6 nulls",
            with_x(nulls),
            b"\x80\x89\x7a\0",
            "malformed call of forward: a value with more parts than a message may have",
        ),
        (
            "an array of 20,000 blocks of a null",
            with_x(nulls),
            b"\2" * 20_000 + b"\0",
            "malformed call of forward: a value with more parts than a message may have",
        ),
        (
            "a map of 2^63-1 nulls",
            with_x({"type": "map", "values": "null"}),
            LONGEST,
            (
                "malformed call of forward: Collection claims 9223372036854775807 elements with at least 1 bytes each, "
                "but only 9 bytes are available."
            ),
        ),
        ("a fixed of 2^60 bytes", with_x(fixed), b"", "malformed call of forward: Read 0 bytes, expected 1 bytes"),
        (
            "bytes of 2^63-1 bytes",
            with_x("bytes"),
            LONGEST,
            "malformed call of forward: Requested 9223372036854775807 bytes to skip, but only 9 remain.",
        ),
        (
            "a union beyond its branches",
            with_x(["null", "int"]),
            b"\4",
            "malformed call of forward: Can't access branch index 2 for union with 2 branches",
        ),
    ]
    return list(itertools.chain(*(_declared_as(name, text, said, extra) for name, text, extra, said in cases)))


def _large_declarations() -> list[Case]:
    """Clients that may be right, and whose declarations together would fill the memory if all were kept."""
    texts = []
    for number in range(_LARGE_ONES):
        declared = {f"m{message:x}": {"request": [], "response": "null"} for message in range(700)}
        texts.append(json.dumps({"protocol": f"p{number}", "messages": declared}, separators=(",", ":")))
    named = (_declared_as(f"a declaration of 700 messages, number {n}", text, _UNKNOWN) for n, text in enumerate(texts))
    return list(itertools.chain(*named))
