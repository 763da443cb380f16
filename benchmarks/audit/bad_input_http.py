"""Bad input, part one: what is no HTTP, or HTTP beyond the limits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from benchmarks.audit.bad_input_case import Case, Expected, cut_short, http
from benchmarks.audit.bad_input_wire import chunked, forward_message, framed, post
from harness.rpc.framing import max_framed_bytes
from harness.rpc.limits import Limits

_PIECE: Final = 2**16
_POST: Final = b"POST / HTTP/1.1\r\nHost: test\r\n"
_CHUNKED: Final = "Transfer-Encoding: chunked"
_GOOD: Final = framed(forward_message())
_ONLY_POST: Final = "Avro calls are POST requests"
_TLS_HELLO: Final = b"\x16\3\1\0\xa5\1\0\0\xa1\3\3" + bytes(160)


def _line(line: str) -> bytes:
    """A request with this first line and nothing to carry."""
    return post(b"", line=line, length=-1)


def http_cases(limits: Limits, stream_bytes: int) -> list[Case]:
    """Everything that ends before Avro is looked at.

    Args:
        limits: of the node.
        stream_bytes: how much a peer without end has to say, if it is let.
    """
    return [*_no_http(), *_lengths(limits), *_heads(limits), *_streams(limits, stream_bytes), *_ends()]


def _no_http() -> list[Case]:
    malformed = {
        "not HTTP at all": (b"\0\1\2\3 hello\r\n\r\n", "malformed HTTP: Invalid method encountered"),
        "one zero byte": (b"\0", "malformed HTTP: Invalid method encountered"),
        "three zero bytes": (b"\0\0\0", "malformed HTTP: Invalid method encountered"),
        "a framed message without HTTP": (_GOOD, "malformed HTTP: Invalid method encountered"),
        "a length of 2^31 without HTTP": (b"\x80\0\0\0", "malformed HTTP: Invalid method encountered"),
        "a length of 2^32-1 without HTTP": (b"\xff\xff\xff\xff", "malformed HTTP: Invalid method encountered"),
        "a TLS hello on the plain port": (_TLS_HELLO, "malformed HTTP: Invalid method encountered"),
        "an SSL 2 hello": (b"\x80\x2e\1\0\2\0\x15\0\0\0\x10" + bytes(35), "malformed HTTP: Invalid method encountered"),
        "an SSH banner": (b"SSH-2.0-OpenSSH_9.2\r\n", "malformed HTTP: Invalid method encountered"),
        "an SMTP greeting": (b"EHLO test\r\n", "malformed HTTP: Invalid method encountered"),
        "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed HTTP: Pause on PRI/Upgrade"),
        "a request of HTTP/0.9": (b"GET /\r\n\r\n", "HTTP/0.9 is not spoken here, but HTTP/1.1"),
        "a POST of HTTP/0.9": (b"POST /\r\n\r\n" + _GOOD, "HTTP/0.9 is not spoken here, but HTTP/1.1"),
        "HTTP/2.0 without its preface": (_line("POST / HTTP/2.0"), "HTTP/2.0 is not spoken here, but HTTP/1.1"),
        "HTTP/9.9": (_line("POST / HTTP/9.9"), "malformed HTTP: Invalid HTTP version"),
        "HTTP/1.2": (_line("POST / HTTP/1.2"), "malformed HTTP: Invalid HTTP version"),
        "a version that is no number": (_line("POST / HTTP/x.y"), "malformed HTTP: Invalid major version"),
        "another protocol's name": (
            _line("POST / RTSP/1.0"),
            "malformed Avro: the message ends before its terminating frame",
        ),
        "a method that does not exist": (_line("DANCE / HTTP/1.1"), "malformed HTTP: Invalid method encountered"),
        "a method in small letters": (_line("post / HTTP/1.1"), "malformed HTTP: Invalid method encountered"),
        "no method": (_line("/ HTTP/1.1"), "malformed HTTP: Invalid method encountered"),
        "no path": (_line("POST HTTP/1.1"), "malformed HTTP: Unexpected char in url schema"),
        "a path with a NUL": (_line("POST /\0 HTTP/1.1"), "malformed HTTP: Invalid char in url path"),
        "a path with a blank": (_line("POST /a b HTTP/1.1"), "malformed HTTP: Expected HTTP/, RTSP/ or ICE/"),
        "an answer in place of a request": (
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "malformed HTTP: Invalid method encountered",
        ),
        "a Python pickle": (b"\x80\4\x95\x1d\0\0\0\0\0\0\0\x8c\5posix", "malformed HTTP: Invalid method encountered"),
        "a JSON document": (b'{"next": "fc1"}', "malformed HTTP: Invalid method encountered"),
        "an upgrade": (
            post(b"", "Connection: Upgrade", "Upgrade: websocket"),
            "malformed Avro: the message ends before its terminating frame",
        ),
    }
    wrong_methods = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
    return [
        *(http(name, sent, 400, text) for name, (sent, text) in malformed.items()),
        *(http(f"the method {method}", _line(f"{method} / HTTP/1.1"), 405, _ONLY_POST) for method in wrong_methods),
        http("CONNECT", _line("CONNECT 10.0.0.1:80 HTTP/1.1"), 405, _ONLY_POST),
    ]


def _lengths(limits: Limits) -> list[Case]:
    most, most_body = limits.max_message_bytes, max_framed_bytes(limits.max_message_bytes)
    malformed = {
        "a length that is no number": ("Content-Length: many", "malformed HTTP: Invalid character in Content-Length"),
        "an empty length": ("Content-Length:", "malformed HTTP: Empty Content-Length"),
        "a negative length": ("Content-Length: -5", "malformed HTTP: Invalid character in Content-Length"),
        "a length with a sign": ("Content-Length: +5", "malformed HTTP: Invalid character in Content-Length"),
        "a length with a fraction": ("Content-Length: 5.0", "malformed HTTP: Invalid character in Content-Length"),
        "a length in hexadecimal": ("Content-Length: 0x10", "malformed HTTP: Invalid character in Content-Length"),
        "a length with a blank in it": ("Content-Length: 1 0", "malformed HTTP: Invalid character in Content-Length"),
        "a list of lengths": ("Content-Length: 5, 5", "malformed HTTP: Invalid character in Content-Length"),
        "a length of 2^64": (f"Content-Length: {2**64}", "malformed HTTP: Content-Length overflow"),
        "a length of 400 digits": (f"Content-Length: {'9' * 400}", "malformed HTTP: Content-Length overflow"),
        "two lengths": ("Content-Length: 5\r\nContent-Length: 6", "malformed HTTP: Duplicate Content-Length"),
        "the same length twice": ("Content-Length: 5\r\nContent-Length: 5", "malformed HTTP: Duplicate Content-Length"),
        "a length and chunks": (
            f"Content-Length: 5\r\n{_CHUNKED}",
            "malformed HTTP: Transfer-Encoding can't be present with Content-Length",
        ),
        "chunks and a length": (
            f"{_CHUNKED}\r\nContent-Length: 5",
            "malformed HTTP: Content-Length can't be present with Transfer-Encoding",
        ),
        "an unknown transfer coding": (
            "Transfer-Encoding: gzip",
            "malformed HTTP: Request has invalid `Transfer-Encoding`",
        ),
        "chunks, then gzip": (
            "Transfer-Encoding: chunked, gzip",
            "malformed HTTP: Invalid `Transfer-Encoding` header value",
        ),
    }
    chunks = {
        "a chunk that announces too much": (b"ffffffffffffffffff\r\n", "malformed HTTP: Chunk size overflow"),
        "a chunk without a length": (b"zz\r\nabc\r\n0\r\n\r\n", "malformed HTTP: Invalid character in chunk size"),
        "a chunk of negative length": (b"-1\r\nabc\r\n0\r\n\r\n", "malformed HTTP: Invalid character in chunk size"),
        "a chunk longer than it says": (b"2\r\nabcdef\r\n0\r\n\r\n", "malformed HTTP: Expected LF after chunk data"),
        "a chunk with an empty length": (b"\r\nabc\r\n0\r\n\r\n", "malformed HTTP: Invalid character in chunk size"),
        "a chunk length ended by a line feed alone": (
            b"3\nabc\r\n0\r\n\r\n",
            "malformed HTTP: Missing expected CR after chunk size",
        ),
    }
    too_long = {"one byte over the limit": most_body + 1, "2^31": 2**31, "2^32-1": 2**32 - 1, "2^63-1": 2**63 - 1}
    return [
        http("no length", post(b"", length=-1), 400, "malformed Avro: the message ends before its terminating frame"),
        *(
            http(name, _POST + f"{header}\r\n\r\nabcde".encode(), 400, text)
            for name, (header, text) in malformed.items()
        ),
        *(http(name, post(sent, _CHUNKED, length=-1), 400, text) for name, (sent, text) in chunks.items()),
        *(
            http(f"a body of {name} bytes", post(b"", length=size), 413,
                 f"a body of {size} bytes; messages of at most {most} bytes are taken")
            for name, size in too_long.items()
        ),
    ]  # fmt: skip


def _heads(limits: Limits) -> list[Case]:
    long, without_end = "a" * 65_536, b"a" * 200_000
    too_much = f"more than {limits.max_header_bytes} bytes of headers"
    many = [f"X-{number}: {number}" for number in range(10_000)]
    malformed = {
        "a header without a colon": ("nonsense", "malformed HTTP: Invalid header token"),
        "a header without a name": (": nonsense", "malformed HTTP: Invalid header token"),
        "a header with a NUL": ("X: a\0b", "malformed HTTP: Invalid header value char"),
        "a header name with a blank": ("X Y: a", "malformed HTTP: Invalid header token"),
        "a header ended by a carriage return alone": (
            "X: a\rY: b",
            "malformed HTTP: Missing expected LF after header value",
        ),
        "a folded header": ("X: a\r\n b", "malformed HTTP: Unexpected whitespace after header value"),
    }
    head = post(b"", _CHUNKED, length=-1)
    trailer = chunked(_GOOD)[:-2] + b"X: " + long.encode() + b"\r\n\r\n"
    return [
        *(http(name, post(b"", header), 400, text) for name, (header, text) in malformed.items()),
        http("a header of 64 kB", post(b"", f"X: {long}"), 431, too_much),
        http("a header name of 64 kB", post(b"", f"{long}: X"), 431, too_much),
        http("a request line of 64 kB", _line(f"POST /{long} HTTP/1.1"), 431, too_much),
        http("10,000 headers", post(b"", *many), 431, too_much),
        http("10,000 times the same header", post(b"", *["X: y"] * 10_000), 431, too_much),
        http("a trailer of 64 kB", post(trailer, _CHUNKED, length=-1), 431, too_much),
        http("a header without an end", _POST + b"X: " + without_end, 431, too_much),
        http("a request line without an end", b"POST /" + without_end, 431, too_much),
        http("a trailer without an end", head + b"1\r\na\r\n0\r\nX: " + without_end, 431, too_much),
        http("a chunk extension without an end", head + b"1;x=" + without_end, 431, too_much),
        http("another expectation", post(_GOOD, "Expect: a miracle"), 417, "only 100-continue can be expected"),
    ]


def _streams(limits: Limits, stream_bytes: int) -> list[Case]:
    most, most_body = limits.max_message_bytes, max_framed_bytes(limits.max_message_bytes)
    too_long = Expected(413, f"a body of more than {most_body} bytes; messages of at most {most} bytes are taken")
    announced = Expected(413, f"a body of {stream_bytes} bytes; messages of at most {most} bytes are taken")
    headers = Expected(431, f"more than {limits.max_header_bytes} bytes of headers")
    head = post(b"", _CHUNKED, length=-1)

    def without_end(piece: bytes, begin: bytes) -> Iterator[bytes]:
        yield begin
        yield from itertools.repeat(piece * (_PIECE // len(piece)), stream_bytes // _PIECE)

    return [
        Case("a stream with its length", lambda: without_end(b"\0", post(b"", length=stream_bytes)), announced),
        Case("a stream in chunks of 4 kB", lambda: without_end(b"1000\r\n" + bytes(4096) + b"\r\n", head), too_long),
        Case("a stream in chunks of one byte", lambda: without_end(b"1\r\na\r\n", head), too_long),
        Case("a stream of headers", lambda: without_end(b"X: y\r\n", _POST), headers),
    ]


def _ends() -> list[Case]:
    whole = post(_GOOD)
    return [
        cut_short("nothing at all", b""),
        cut_short("one letter", b"P"),
        cut_short("half of the headers", post(b"")[:20]),
        cut_short("headers without their last line end", post(b"")[:-1]),
        cut_short("headers and no body", whole[: -len(_GOOD)]),
        cut_short("half of the body", whole[:-20]),
        cut_short("all but the last byte", whole[:-1]),
        cut_short("half of a large body", post(b"", length=50_000) + bytes(25_000)),
        cut_short("chunks without their end", post(chunked(_GOOD)[:-5], _CHUNKED, length=-1)),
    ]
