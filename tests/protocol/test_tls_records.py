"""What travels over mutual TLS: from any thread, cut anywhere, changed, cut off, and what was not asked for."""

import asyncio
import hashlib
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol.raw_http import framed, post
from protocol.tls_peers import (
    HOST,
    LIMIT,
    OTHER,
    client_to,
    refusal,
    running,
    shaken_hands,
    stock_server,
    take_request,
)

from harness.rpc import event_loop
from harness.rpc.client import DELIVERED
from harness.rpc.errors import PeerUnreachableError
from harness.rpc.exchange import ClientConnection
from harness.rpc.responder import VOID
from harness.rpc.tls import TlsSession


def test_tensors_posted_from_other_threads_arrive(keys):
    """The way that needs no turn of the event loop works over TLS: also when a tensor exceeds the socket's buffer."""
    tensors = [os.urandom(size) for size in (25_088, 3_000_000, 150_528)]

    async def run():
        async with running(keys[HOST]) as (_, taker, address), client_to(address, keys[OTHER]) as client:
            assert not client.post_forward(b"abc", "fc1", "t", asked=False), "there is no connection yet"
            await client.forward(b"abc", "fc1", "t", 20)
            for number, tensor in enumerate(tensors):
                with ThreadPoolExecutor(1) as other:
                    posted = other.submit(client.post_forward, tensor, "fc1", str(number), asked=False)
                    assert await asyncio.wrap_future(posted)
                told = asyncio.get_running_loop().create_future()
                client.watch(told.set_result)
                async with asyncio.timeout(20):
                    assert await told is DELIVERED
            return taker.taken[1:]

    assert [digest for digest, *_ in event_loop.run(run())] == [hashlib.sha256(each).hexdigest() for each in tensors]


def test_tickets_do_not_end_a_kept_connection(keys):
    """What a stock server sends unasked after a handshake is no answer, and no reason for a new connection."""
    answer = post(framed(VOID), line="HTTP/1.1 200 OK")

    def talk(tls):
        while take_request(tls):
            tls.sendall(answer)

    async def run(address):
        async with client_to(address, keys[OTHER]) as client:
            for number in range(4):
                await client.forward(b"abc", "fc1", str(number), 20)

    with stock_server(keys[HOST], talk) as (address, accepted):
        event_loop.run(run(address))
        assert len(accepted) == 1


def test_only_what_says_something_ends_the_quiet(keys):
    """Tickets in the socket leave a kept connection fit for use; a byte of an answer that nobody asked for does not."""
    context = keys[HOST]._context(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 2
    client, server = TlsSession(keys[OTHER].client_context, HOST), TlsSession(context)
    client.handshake()
    server.handshake(client.outgoing())
    client.handshake(server.outgoing())
    server.handshake(client.outgoing())
    tickets = server.outgoing()
    assert tickets

    async def run():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            connection = ClientConnection(ours, asyncio.get_running_loop(), LIMIT, client)
            theirs.sendall(tickets)
            quiet = connection.quiet()
            theirs.sendall(server.seal([b"H"]))
            loud = connection.quiet()
            connection.close()
            return quiet, loud

    assert event_loop.run(run()) == (True, False)


@pytest.mark.parametrize("in_order", [True, False])
def test_a_cut_answer_is_not_taken_for_a_whole_one(keys, in_order):
    """An answer that ends with the connection counts only when the peer itself has ended the session."""
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + framed(VOID)

    def talk(tls):
        take_request(tls)
        tls.sendall(answer)
        if in_order:
            tls.unwrap()
        else:  # as anybody on the way can do
            tls.shutdown(socket.SHUT_WR)
            tls.recv(1)

    async def run(address):
        if not in_order:
            return await refusal(address, keys[OTHER])
        async with client_to(address, keys[OTHER]) as client:
            return await client.forward(b"abc", "fc1", "t", 20)

    with stock_server(keys[HOST], talk) as (address, _):
        found = event_loop.run(run(address))
    assert found is None if in_order else isinstance(found, PeerUnreachableError)


@settings(max_examples=40, deadline=None)
@given(messages=st.lists(st.binary(max_size=40_000), min_size=1, max_size=4), cuts=st.lists(st.integers(1, 20_000)))
def test_records_cut_anywhere_carry_the_same_bytes(keys, messages, cuts):
    """However the network cuts the records, the same bytes come out at the other side."""
    client, server = shaken_hands(keys)
    stream, came = b"".join(client.seal([message]) for message in messages), b""
    for cut in (*cuts, len(stream) or 1):
        came += server.open(stream[:cut])
        stream = stream[cut:]
    assert came == b"".join(messages)
    assert server.open(client.farewell()) == b""
    assert server.ended


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, 10**6), change=st.integers(1, 255))
def test_a_changed_record_is_never_delivered(keys, position, change):
    """One flipped byte ends the session, or leaves it waiting; no byte of it is handed on."""
    client, server = shaken_hands(keys)
    record = bytearray(client.seal([b"abc" * 100]))
    record[position % len(record)] ^= change
    try:
        assert server.open(bytes(record)) == b""
    except ssl.SSLError:
        return
    assert position % len(record) in {3, 4}, "only a changed length may leave it waiting for more"
