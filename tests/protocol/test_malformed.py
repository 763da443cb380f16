"""Messages cut short count for nothing, and good ones in unusual dress are taken; what is refused: test_bad_input."""

import pytest
from protocol.raw_http import (
    HANDSHAKE,
    chunked,
    exchange,
    forward_message,
    framed,
    post,
)

from harness.rpc.framing import decode_message
from harness.rpc.protocol import encode_string
from harness.rpc.responder import VOID

GOOD = forward_message()
CALL = HANDSHAKE + b"\0"
CHUNKED = "Transfer-Encoding: chunked"


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
