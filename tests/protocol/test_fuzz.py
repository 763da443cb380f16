"""Bytes that nobody thought of: whatever comes in, the parts that read the network end in a way they know."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from protocol.raw_http import chunked, forward_message, framed, post

from harness.rpc.errors import WireFormatError
from harness.rpc.framing import decode_message
from harness.rpc.handshake import HandshakeRequest
from harness.rpc.limits import Limits
from harness.rpc.protocol import PROTOCOL_HASH, PROTOCOL_TEXT, protocol_hash
from harness.rpc.request_reader import RequestReader
from harness.rpc.responder import VOID, Responder

GOOD = forward_message()
LIMITS = Limits(max_message_bytes=2000, max_header_bytes=500)
STARTS = [
    b"",
    GOOD,
    HandshakeRequest(PROTOCOL_HASH, b"?" * 16).encode() + GOOD[34:],
    HandshakeRequest(protocol_hash(PROTOCOL_TEXT + " "), PROTOCOL_HASH, PROTOCOL_TEXT + " ").encode() + GOOD[34:],
]
REQUESTS = [
    b"",
    post(framed(GOOD)),
    post(framed(GOOD), "Expect: 100-continue") * 3,
    post(chunked(framed(GOOD), b"a" * 90), "Transfer-Encoding: chunked", length=-1),
    post(b"a" * 1900),
]


@st.composite
def damaged(draw, starts):
    """One of the starts with some bytes replaced, inserted or removed."""
    data = bytearray(draw(st.sampled_from(starts)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=12))
    return bytes(data)


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


class Handlers:
    """Knows only `forward`; any other message is a defect of the handler."""

    def __init__(self):
        self.calls = 0

    def forward(self, input, next, tag):  # noqa: A002
        """Count, and check the types."""
        assert isinstance(next, str)
        assert isinstance(tag, str)
        assert len(input) <= 2000
        self.calls += 1


@settings(max_examples=500)
@given(damaged(STARTS))
def test_any_message_is_answered_or_refused(message):
    """A damaged message gets Avro bytes or a refusal, never another exception; a call is never half a call."""
    handlers = Handlers()
    responder = Responder(handlers)
    try:
        answer = responder.respond(message)
    except WireFormatError:
        assert handlers.calls == 0
    else:
        assert len(answer) >= 4
    before = handlers.calls
    assert responder.respond(GOOD) == VOID
    assert handlers.calls == before + 1


@settings(max_examples=500)
@given(damaged(REQUESTS), cuts)
def test_any_http_is_read_or_refused(sent, cuts):
    """Damaged HTTP, in any pieces, yields requests or a refusal, and never more than the limits allow."""
    reader = RequestReader(LIMITS)
    for piece in pieces(sent, cuts):
        receive(reader, piece)
        assert reader.pending_bytes <= 2100
        if reader.refusal is not None:
            break
    assert all(len(request.body) <= 2100 for request in reader.requests)


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


@given(st.binary(max_size=200))
def test_any_framing_is_read_or_refused(body):
    """Arbitrary bytes are a framed message or a refusal."""
    try:
        message = decode_message(body, 100)
    except WireFormatError:
        return
    assert len(message) <= 100


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
