"""Peers that take too much or too long: the server tells them why, and goes on serving the others."""

import contextlib
import select
import socket
import time
import tracemalloc

import psutil
import pytest
from protocol.raw_http import chunked, exchange, forward_message, framed, post, read_answer

from harness.rpc.limits import Limits
from harness.rpc.protocol import PROTOCOL_HASH, encode_forward_tail, encode_long, forward_prefix
from harness.rpc.request_reader import RequestReader
from harness.rpc.responder import VOID

GOOD = post(framed(forward_message()))
ANSWERED = (200, framed(VOID))
HEAD = b"POST / HTTP/1.1\r\nHost: test\r\n"


def answer_within(sock: socket.socket, seconds: float) -> tuple[int, bytes] | None:
    """An answer, if one comes in this time."""
    ready, _, _ = select.select([sock], [], [], seconds)
    return read_answer(sock) if ready else None


@pytest.mark.parametrize(
    "start",
    [b"P", HEAD, HEAD + b"X: ", GOOD[:-30], post(b"", length=10**6), HEAD + b"Transfer-Encoding: chunked\r\n\r\n"],
    ids=["method", "headers", "one header", "short body", "long body", "chunks"],
)  # fmt: skip
def test_a_slow_message_is_ended(start_server, start):
    """A peer that sends a byte now and then is told 408 and disconnected; others are served meanwhile."""
    with start_server(message_deadline_s=0.6) as served:
        with socket.create_connection(served.address, timeout=10) as slow:
            slow.sendall(start)
            answer, good = None, 0
            for _ in range(200):
                assert exchange(served.address, [GOOD]) == ANSWERED
                good += 1
                answer = answer_within(slow, 0.05)
                if answer is not None:
                    break
                if b"chunked" not in start:
                    with contextlib.suppress(OSError):
                        slow.sendall(b"O" if start == b"P" and good == 1 else b"a" * (good > 1 or start != b"P"))
        assert answer is not None, "the slow peer was never told"
        assert answer[0] in (408, 400)
        assert (answer[0] == 408) == (start != b"P"), "letters after a method make it unknown: 400"
        assert good > 1
        assert exchange(served.address, [GOOD]) == ANSWERED


def test_a_message_of_the_longest_size_is_taken(start_server):
    """The limit is exact: a message of that many bytes is taken, one byte more is refused with 413 or 400."""
    limit = 100_000
    fixed = len(forward_prefix(PROTOCOL_HASH, PROTOCOL_HASH)) + len(encode_forward_tail("fc1", "t")) + 3
    with start_server(max_message_bytes=limit) as served:
        for size, expected in ((limit - fixed, 200), (limit - fixed + 1, 400), (2 * limit, 413)):
            head = forward_prefix(PROTOCOL_HASH, PROTOCOL_HASH) + encode_long(size)
            message = head + bytes(size) + encode_forward_tail("fc1", "t")
            assert exchange(served.address, [post(framed(message))])[0] == expected
            assert exchange(served.address, [GOOD]) == ANSWERED


def test_a_body_too_long_is_refused_before_it_is_sent(server):
    """The answer 413 comes after the headers alone, without waiting for the body."""
    with socket.create_connection(server.address, timeout=10) as sock:
        sock.sendall(post(b"", length=10**9))
        status, reason = read_answer(sock)
    assert status == 413
    assert b"1000000000 bytes" in reason


def test_a_refused_peer_may_finish_sending(server):
    """After a refusal the peer can go on sending for a moment and is not reset: no answer is destroyed."""
    with socket.create_connection(server.address, timeout=10) as sock:
        sock.sendall(post(b"", length=10**9))
        for _ in range(10):
            sock.sendall(bytes(100_000))
        assert read_answer(sock)[0] == 413
        assert sock.recv(1) == b"", "control: nothing follows the refusal"
        sock.sendall(bytes(100_000))


def test_many_small_chunks_are_no_headers(server):
    """A tensor in chunks of one byte is taken, although the chunk heads outweigh the limit of the headers."""
    tensor = bytes(40_000)
    head = forward_prefix(PROTOCOL_HASH, PROTOCOL_HASH) + encode_long(len(tensor))
    body = framed(head + tensor + encode_forward_tail("fc1", "t"))
    sent = post(chunked(*[bytes((byte,)) for byte in body]), "Transfer-Encoding: chunked", length=-1)
    assert len(sent) > 10 * 16_384
    assert exchange(server.address, [sent]) == ANSWERED


def test_many_small_chunks_take_no_more_memory_than_their_bytes():
    """A body in chunks of two bytes is held as one run of bytes, not as an object for each."""
    reader = RequestReader(Limits(max_message_bytes=1_000_000))
    sent = post(chunked(*[b"ab"] * 100_000), "Transfer-Encoding: chunked", length=-1)
    tracemalloc.start()
    for start in range(0, len(sent), 8192):
        piece = sent[start : start + 8192]
        reader.buffer()[: len(piece)] = piece
        reader.received(len(piece))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bytes(reader.requests[0].body) == b"ab" * 100_000
    assert peak < 2_000_000, "objects for each would take eight"


def test_an_expectation_is_answered_before_the_body(server):
    """A client that waits for "100 Continue" gets it, and one whose body would be too long gets 413 instead."""
    body = framed(forward_message())
    with socket.create_connection(server.address, timeout=10) as sock:
        sock.sendall(post(b"", "Expect: 100-continue", length=len(body)))
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_answer(sock) == ANSWERED
    with socket.create_connection(server.address, timeout=10) as sock:
        sock.sendall(post(b"", "Expect: 100-continue", length=10**9))
        assert read_answer(sock)[0] == 413


def test_half_open_connections_do_not_stop_service(server):
    """With 100 peers connected that stop amid a message, good calls on new connections are answered."""
    starts = [b"", b"P", HEAD, GOOD[:-20], post(b"", length=3 * 10**6) + bytes(10_000)]
    with contextlib.ExitStack() as stack:
        stuck = [stack.enter_context(socket.create_connection(server.address, timeout=10)) for _ in range(100)]
        for number, sock in enumerate(stuck):
            sock.sendall(starts[number % len(starts)])
        for _ in range(20):
            assert exchange(server.address, [GOOD]) == ANSWERED
        assert select.select(stuck, [], [], 0)[0] == [], "control: the stuck peers are still connected"


def test_idle_connections_make_room(start_server):
    """When no connection is left the one that was idle longest is closed, and the newcomer is served."""
    with start_server(max_connections=8) as served, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(served.address, timeout=10)) for _ in range(8)]
        for sock in idle:
            sock.sendall(GOOD)
            assert read_answer(sock) == ANSWERED
        assert exchange(served.address, [GOOD]) == ANSWERED
        assert select.select([idle[0]], [], [], 10)[0], "the longest idle one is closed"
        assert idle[0].recv(10) == b""
        idle[-1].sendall(GOOD)
        assert read_answer(idle[-1]) == ANSWERED, "control: the latest one is kept"


def test_stuck_connections_make_room(start_server):
    """When all connections are stuck amid a message newcomers are turned away with 503, but not for long."""
    with start_server(max_connections=8, message_deadline_s=60) as served, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(socket.create_connection(served.address, timeout=10)).sendall(GOOD[:-20])
        answers = set()
        deadline = time.monotonic() + 20
        while ANSWERED not in answers and time.monotonic() < deadline:
            answers.add(exchange(served.address, [GOOD]))
            time.sleep(0.05)
        assert ANSWERED in answers
        assert {answer and answer[0] for answer in answers} <= {200, 503, None}


def test_incomplete_messages_take_bounded_memory(start_server):
    """Peers that send most of a long message and stop cannot fill the memory: the oldest are cut off."""
    size = 8_000_000
    limits = {"max_message_bytes": size, "max_buffered_bytes": 4 * size, "message_deadline_s": 60}
    with start_server(**limits) as served, contextlib.ExitStack() as stack:
        assert exchange(served.address, [GOOD]) == ANSWERED
        process = psutil.Process(served.pid)
        before = process.memory_info().rss
        peers = [stack.enter_context(socket.create_connection(served.address, timeout=10)) for _ in range(30)]
        for sock in peers:
            with contextlib.suppress(OSError):
                sock.sendall(post(b"", length=size) + bytes(size - 1000))
        grown = process.memory_info().rss - before
        assert grown < 10 * size, "all of it would be 30 messages"
        assert exchange(served.address, [GOOD]) == ANSWERED
        assert len(select.select(peers, [], [], 0)[0]) >= 20, "control: that many did not fit"


def test_a_peer_that_does_not_read_is_not_read(start_server):
    """Calls without end whose answers are not fetched stop being accepted; the memory stays small."""
    with start_server() as served, socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel holds megabytes of answers
        greedy.connect(served.address)
        process = psutil.Process(served.pid)
        before = process.memory_info().rss
        greedy.setblocking(False)
        block = GOOD * 1000
        sent, most = 0, 60_000_000
        while sent < most and select.select([], [greedy], [], 1)[1]:
            sent += greedy.send(block)
        assert sent < most, "the server took everything"
        assert process.memory_info().rss - before < 64_000_000
        assert exchange(served.address, [GOOD]) == ANSWERED


def test_the_deadline_is_for_messages_not_for_pauses(start_server):
    """A connection that is silent between two messages for longer than a message may take stays open."""
    with (
        start_server(message_deadline_s=0.3) as served,
        socket.create_connection(served.address, timeout=10) as sock,
    ):
        for pieces in ([GOOD], [GOOD[:50], GOOD[50:]], [GOOD + GOOD]):
            for piece in pieces:
                sock.sendall(piece)
            for _ in range(sum(map(len, pieces)) // len(GOOD)):
                assert read_answer(sock) == ANSWERED
            time.sleep(0.8)
        sock.sendall(GOOD + GOOD[:30])
        assert read_answer(sock) == ANSWERED
        assert read_answer(sock)[0] == 408, "control: half a message behind a good one is ended"


def test_an_idle_connection_is_closed(start_server):
    """A connection on which nothing happens is closed after the idle time, without a word."""
    with (
        start_server(idle_timeout_s=0.3) as served,
        socket.create_connection(served.address, timeout=10) as sock,
    ):
        sock.sendall(GOOD)
        assert read_answer(sock) == ANSWERED
        assert sock.recv(100) == b""
