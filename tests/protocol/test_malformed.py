"""Every malformed message gets a clear refusal, and the next good message on a new connection is answered."""

import pytest
from protocol.raw_http import (
    HANDSHAKE,
    TENSOR,
    chunked,
    exchange,
    forward_message,
    framed,
    post,
)

from harness.rpc.framing import decode_message
from harness.rpc.protocol import PROTOCOL_HASH, encode_string
from harness.rpc.responder import VOID

GOOD = forward_message()
CALL = HANDSHAKE + b"\0"
FORWARD = CALL + encode_string("forward")
REST = encode_string("fc1") + encode_string("t")
POST = b"POST / HTTP/1.1\r\nHost: test\r\n"
CHUNKED = "Transfer-Encoding: chunked"
LONG = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1"  # 2^63 - 1
AVRO = "avro"
"""The case ends in an Avro error: the handshake could be read."""

# name: (what is sent, what comes back: an HTTP status, AVRO, or None for a connection closed without answer)
CASES: dict[str, tuple[bytes, object]] = {
    # HTTP
    "not HTTP at all": (b"\0\1\2\3 hello\r\n\r\n", 400),
    "a TLS hello": (b"\x16\3\1\0\xa5\1\0\0\xa1\3\3" + bytes(160), 400),
    "another method": (post(b"", line="GET / HTTP/1.1", length=-1), 405),
    "a method that does not exist": (post(b"", line="DANCE / HTTP/1.1", length=-1), 400),
    "CONNECT": (post(b"", line="CONNECT 10.0.0.1:80 HTTP/1.1", length=-1), 405),
    "an upgrade": (post(b"", "Connection: Upgrade", "Upgrade: websocket"), 400),
    "HTTP/9": (post(b"", line="POST / HTTP/9.9"), 400),
    "no length": (post(b"", length=-1), 400),
    "a length that is no number": (post(b"", "Content-Length: many", length=-1), 400),
    "a negative length": (post(b"", length=-1, line="POST / HTTP/1.1\r\nContent-Length: -5"), 400),
    "two lengths": (post(framed(GOOD), "Content-Length: 5"), 400),
    "a length and chunks": (post(chunked(framed(GOOD)), CHUNKED), 400),
    "a length beyond 64 bits": (post(b"", "Content-Length: 99999999999999999999999", length=-1), 400),
    "a body too long": (post(b"", length=10**9), 413),
    "chunks too long": (post(chunked(*[bytes(10**6)] * 6), CHUNKED, length=-1), 413),
    "a chunk that announces too much": (post(b"ffffffffffffffffff\r\n", CHUNKED, length=-1), 400),
    "a chunk without a length": (post(b"zz\r\nabc\r\n0\r\n\r\n", CHUNKED, length=-1), 400),
    "a chunk longer than it says": (post(b"2\r\nabcdef\r\n0\r\n\r\n", CHUNKED, length=-1), 400),
    "a header too long": (post(b"", "X: " + "a" * 40_000), 431),
    "a request line too long": (post(b"", line=f"POST /{'a' * 40_000} HTTP/1.1"), 431),
    "too many headers": (post(b"", *[f"X-{number}: {number}" for number in range(3000)]), 431),
    "a header without a colon": (post(b"", "nonsense"), 400),
    "a header with a NUL": (post(b"", "X: a\0b"), 400),
    "trailers too long": (
        post(chunked(framed(GOOD))[:-2] + b"X: " + b"a" * 40_000 + b"\r\n\r\n", CHUNKED, length=-1),
        431,
    ),
    "a header without an end": (POST + b"X: " + b"a" * 200_000, 431),
    "a request line without an end": (b"POST /" + b"a" * 200_000, 431),
    "a trailer without an end": (post(b"1\r\na\r\n0\r\nX: ", CHUNKED, length=-1) + b"a" * 200_000, 431),
    "a chunk extension without an end": (post(b"1;x=", CHUNKED, length=-1) + b"a" * 200_000, 431),
    "another expectation": (post(framed(GOOD), "Expect: a miracle"), 417),
    "an unknown transfer coding": (post(framed(GOOD), "Transfer-Encoding: gzip", length=-1), 400),
    "only half of the headers": (post(b"")[:20], None),
    "only half of the body": (post(framed(GOOD))[:-20], None),
    "half of a large body": (post(b"", length=10**6) + bytes(500_000), None),
    # framing
    "an empty body": (post(b""), 400),
    "an empty message": (post(framed()), 400),
    "no terminator": (post(framed(GOOD, end=b"")), 400),
    "half a terminator": (post(framed(GOOD, end=b"\0\0")), 400),
    "bytes after the terminator": (post(framed(GOOD) + b"x"), 400),
    "two messages in one body": (post(framed(GOOD) * 2), 400),
    "a frame longer than the body": (post(b"\0\1\0\0" + GOOD), 400),
    "a frame of 4 GiB": (post(b"\xff\xff\xff\xff" + GOOD), 400),
    "no frames at all": (post(GOOD), 400),
    # handshake
    "a handshake cut short": (post(framed(HANDSHAKE[:20])), 400),
    "half a hash": (post(framed(HANDSHAKE[:7])), 400),
    "a third branch in the handshake": (post(framed(PROTOCOL_HASH + b"\4" + PROTOCOL_HASH + b"\0" + GOOD[34:])), 400),
    "a negative branch in the handshake": (post(framed(PROTOCOL_HASH + b"\1" + PROTOCOL_HASH + b"\0")), 400),
    "a protocol text of endless length": (post(framed(PROTOCOL_HASH + b"\2" + LONG + b"{}")), 400),
    "a protocol text of negative length": (post(framed(PROTOCOL_HASH + b"\2" + b"\5" + b"{}")), 400),
    "handshake metadata without an end": (post(framed(HANDSHAKE[:-1] + b"\2" + LONG)), 400),
    "a protocol text that is no protocol": (
        post(framed(b"?" * 16 + b"\2" + encode_string("{}") + PROTOCOL_HASH + b"\0" + GOOD[34:])),
        AVRO,
    ),
    # call
    "a handshake and no call": (post(framed(HANDSHAKE)), AVRO),
    "call metadata without an end": (post(framed(HANDSHAKE + LONG)), AVRO),
    "metadata of negative size": (post(framed(HANDSHAKE + b"\1\1" + GOOD[35:])), AVRO),
    "no message name": (post(framed(CALL)), AVRO),
    "an unknown message": (post(framed(CALL + encode_string("dance"))), AVRO),
    "a message name that is not UTF-8": (post(framed(CALL + b"\4\xff\xfe")), AVRO),
    "a message name of negative length": (post(framed(CALL + b"\x0dforward")), AVRO),
    "no parameters": (post(framed(FORWARD)), AVRO),
    "a tensor cut short": (post(framed(FORWARD + b"\x08abc")), AVRO),
    "a tensor of negative length": (post(framed(FORWARD + b"\7" + TENSOR + REST)), AVRO),
    "a tensor of endless length": (post(framed(FORWARD + LONG + TENSOR + REST)), AVRO),
    "an overlong length": (post(framed(FORWARD + b"\x88" + b"\x80" * 9 + b"\0" + TENSOR + REST)), AVRO),
    "no tag": (post(framed(FORWARD + b"\x08" + TENSOR + encode_string("fc1"))), AVRO),
    "a tag that is not UTF-8": (post(framed(FORWARD + b"\x08" + TENSOR + encode_string("fc1") + b"\2\xff")), AVRO),
    "a tag too long": (
        post(framed(FORWARD + b"\x08" + TENSOR + encode_string("fc1") + encode_string("t" * 5000))),
        AVRO,
    ),
    "bytes after the last parameter": (post(framed(GOOD + b"\0")), AVRO),
    "a call of describe with a parameter": (post(framed(CALL + encode_string("describe") + b"\2x")), AVRO),
}  # fmt: skip


def is_avro_error(answer: tuple[int, bytes] | None) -> bool:
    """Whether an answer is HTTP 200 with handshake BOTH, the error flag and the string branch."""
    return answer is not None and answer[0] == 200 and bytes(decode_message(answer[1], 10**6))[4:7] == b"\0\1\0"


def assert_serves(server) -> None:
    """The next good message is answered, and one that a handler refuses is not mistaken for it."""
    assert exchange(server.address, [post(framed(GOOD))]) == (200, framed(VOID))
    assert is_avro_error(exchange(server.address, [post(framed(forward_message(next_role="refuse")))]))


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_message_harms_only_itself(server, name):
    """The message is refused in the way the table says, whole or in dribs, and a good one after it is answered."""
    sent, expected = CASES[name]
    cut = max(1, len(sent) // 3)
    for pieces in ([sent], [sent[:cut], sent[cut:]]):
        # The cases without an answer are incomplete: the server learns that nothing more will come.
        answer = exchange(server.address, pieces, half_close=expected is None)
        if expected == AVRO:
            assert is_avro_error(answer), answer
        else:
            assert (answer and answer[0]) == expected, answer
            assert answer is None or answer[1].strip(), "a refusal without a reason"
    assert_serves(server)


def test_the_corpus_is_as_large_as_promised():
    """The table holds at least thirty cases, and its good message is really good."""
    assert len(CASES) >= 30
    assert all(post(framed(GOOD)) != sent for sent, _ in CASES.values())


@pytest.mark.parametrize("position", range(0, len(post(framed(GOOD))), 7))
def test_a_message_cut_anywhere_is_no_message(server, position):
    """A connection that ends within a good message causes no call: nothing is counted."""
    begin = CALL + encode_string("begin") + encode_string("cut")
    assert exchange(server.address, [post(framed(begin))]) == (200, framed(VOID))
    assert exchange(server.address, [post(framed(GOOD))[:position]], half_close=True) is None
    statistics = CALL + encode_string("statistics") + encode_string("cut")
    status, body = exchange(server.address, [post(framed(statistics))])
    told = bytes(decode_message(body, 10**6))
    assert status == 200
    assert told.startswith(VOID + encode_string("cut") + b"\0"), "received is not 0"
    assert exchange(server.address, [post(framed(GOOD))]) == (200, framed(VOID))
    told = bytes(decode_message(exchange(server.address, [post(framed(statistics))])[1], 10**6))
    assert told.startswith(VOID + encode_string("cut") + b"\2"), "control: the good call is counted"


def test_good_messages_in_unusual_dress_are_taken(server):
    """Chunks, small frames, single bytes, HTTP/1.0, pipelining and Expect are all answered as they should be."""
    good = (200, framed(VOID))
    small = [GOOD[start : start + 5] for start in range(0, len(GOOD), 5)]
    whole = post(framed(GOOD))
    assert exchange(server.address, [post(chunked(framed(GOOD)), CHUNKED, length=-1)]) == good
    tiny = chunked(*[bytes((byte,)) for byte in framed(GOOD)])
    assert exchange(server.address, [post(tiny, CHUNKED, length=-1)]) == good
    assert exchange(server.address, [post(framed(*small))]) == good
    assert exchange(server.address, [whole[at : at + 1] for at in range(len(whole))]) == good
    assert exchange(server.address, [post(framed(GOOD), line="POST / HTTP/1.0")]) == good
    assert exchange(server.address, [post(framed(GOOD), "Connection: close")]) == good
    assert exchange(server.address, [b"\r\n\r\n" + whole]) == good
