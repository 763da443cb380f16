"""However good bytes are cut and repeated, the same requests come out; what damaged ones do: test_fuzz_entry."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from protocol.raw_http import chunked, forward_message, framed, post

from harness.rpc.limits import Limits
from harness.rpc.request_reader import RequestReader

GOOD = forward_message()
LIMITS = Limits(max_message_bytes=2000, max_header_bytes=500)
cuts = st.lists(st.integers(0, 4000), max_size=8)


def pieces(sent: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes cut at these places."""
    places = sorted({0, *(min(cut, len(sent)) for cut in cuts), len(sent)})
    return [sent[start:end] for start, end in itertools.pairwise(places)]


def receive(reader: RequestReader, piece: bytes) -> None:
    """Let bytes arrive, as much at a time as the reader has room for."""
    while piece:
        room = reader.buffer()
        assert len(room) > 0
        size = min(len(piece), len(room))
        room[:size] = piece[:size]
        piece = piece[size:]
        reader.received(size)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=1900), min_size=1, max_size=6), cuts)
def test_good_http_in_any_pieces_is_read_whole(bodies, cuts):
    """Requests one behind the other, however they are cut, come out whole and in order."""
    reader = RequestReader(LIMITS)
    sent = b"".join(
        post(chunked(body[:7] or b"x", body), "Transfer-Encoding: chunked", length=-1) if len(body) % 2 else post(body)
        for body in bodies
    )
    for piece in pieces(sent, cuts):
        receive(reader, piece)
    expected = [(body[:7] or b"x") + body if len(body) % 2 else body for body in bodies]
    assert reader.refusal is None
    assert [bytes(request.body) for request in reader.requests] == expected
    assert not reader.begun


@given(st.integers(33_000, 200_000), st.lists(st.integers(1, 200_000), max_size=5), st.booleans())
def test_a_long_body_is_received_in_place(size, cuts, followed):
    """A body beyond the parser's share arrives whole however it is cut, also with a request behind it."""
    reader = RequestReader(Limits(max_message_bytes=200_000))
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    sent = post(body) + (post(b"next") if followed else b"")
    for piece in pieces(sent, cuts):
        receive(reader, piece)
    assert reader.refusal is None
    assert [bytes(request.body) for request in reader.requests] == [body, b"next"][: 1 + followed]


@given(st.lists(st.sampled_from([100, 100, 100, 1900, 40_000]), min_size=1, max_size=6), cuts, st.booleans())
def test_a_repeated_head_changes_nothing(sizes, cuts, chatty):
    """Requests with the same head, cut anywhere, are read as a reader reads them that knows no head yet."""
    limits = Limits(max_message_bytes=50_000, max_header_bytes=500)
    bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
    extra = ("X-Chatty: yes",) if chatty else ()
    sent = b"".join(post(body, *extra) for body in bodies)
    reader = RequestReader(limits)
    for piece in pieces(sent, [cut * 20 for cut in cuts]):
        receive(reader, piece)
    assert reader.refusal is None
    assert [bytes(request.body) for request in reader.requests] == bodies
    assert all(request.keep_alive and not request.old for request in reader.requests)
    assert not reader.begun


@given(st.binary(min_size=1, max_size=3), st.integers(0, 200))
def test_a_head_that_was_good_once_is_no_pardon(damage, at):
    """After good requests with one head, a damaged one ends as it does for a reader that knows no head."""
    request = post(framed(GOOD))
    damaged_request = request[: at % len(request)] + damage + request[at % len(request) + len(damage) :]
    ends = []
    for start in (request * 2, b""):
        reader = RequestReader(LIMITS)
        if start:
            receive(reader, request)
            receive(reader, request)
        reader.requests.clear()
        receive(reader, damaged_request)
        refusal = None if reader.refusal is None else (reader.refusal.status, reader.refusal.reason)
        ends.append((refusal, [bytes(found.body) for found in reader.requests], reader.begun))
    assert ends[0] == ends[1]
