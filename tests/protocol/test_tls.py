"""Mutual TLS on real sockets: who is let in, who is not, and what each is told."""

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl

import pytest
from farm_keys import made_keys
from protocol.tls_peers import (
    HOST,
    OTHER,
    NoCertificate,
    client_to,
    refusal,
    running,
    stock_server,
    take_request,
    until,
)

from harness.rpc import event_loop
from harness.rpc.errors import PeerUnreachableError, PeerUntrustedError
from harness.rpc.security import Security
from harness.rpc.tls import TlsSession


@pytest.mark.parametrize("plain", [False, True])
def test_a_good_pair_talks(keys, plain):
    """Tensors of all sizes arrive whole with the keys of one farm; the control is the same without any."""
    sizes = (0, 1, 16_384, 25_088, 150_528, 6_000_000)
    tensors = [os.urandom(size) for size in sizes]

    async def run():
        async with running(None if plain else keys[HOST]) as (server, taker, address):
            async with client_to(address, None if plain else keys[OTHER]) as client:
                for number, tensor in enumerate(tensors):
                    await client.forward(tensor, "fc1", str(number), 20)
                assert await client.call("probe", {"input": tensors[3]}, 20) == sizes[3]
                assert server.connections == 1
            return taker.taken

    taken = event_loop.run(run())
    assert taken == [(hashlib.sha256(each).hexdigest(), "fc1", str(n)) for n, each in enumerate(tensors)]


def test_only_tls_1_3_and_what_was_agreed(keys):
    """Both contexts ask for a certificate, know one authority alone, and speak TLS 1.3."""
    for context in (keys[HOST].server_context, keys[HOST].client_context):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.cert_store_stats()["x509"] == 1
    assert keys[HOST].client_context.check_hostname


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ("no certificate", "it asks for a certificate"),
        ("of another farm", "not to be trusted"),
        ("plain", "speaks mutual TLS only"),
    ],
)
def test_a_stranger_is_not_let_in(keys, foreign, who, told):
    """Who has no key of the farm is told so in one line, no handler sees a byte; a device of the farm is served."""
    stranger = {"no certificate": NoCertificate(keys[OTHER]), "of another farm": foreign[OTHER], "plain": None}[who]

    async def run():
        async with running(keys[HOST]) as (_, taker, address):
            error = await refusal(address, stranger)
            assert not taker.taken
            async with client_to(address, keys[OTHER]) as client:
                await client.forward(b"abc", "fc1", "t", 20)
            assert len(taker.taken) == 1
            return address, error

    (host, port), error = event_loop.run(run())
    assert isinstance(error, PeerUntrustedError)
    assert error.exit_code == 3
    assert f"{host}:{port}" in error.message
    assert told in error.message
    assert "\n" not in str(error)


def test_the_server_refuses_a_certificate_of_another_farm(keys, foreign):
    """A client that trusts the server but shows a certificate of another farm is refused by the server itself."""
    mixed = Security(keys[OTHER].ca, foreign[OTHER].certificate, foreign[OTHER].key)

    async def run():
        async with running(keys[HOST]) as (_, taker, address):
            error = await refusal(address, mixed)
            assert not taker.taken
            return error

    error = event_loop.run(run())
    assert isinstance(error, PeerUntrustedError)
    assert "refuses this device" in error.message


def test_a_certificate_for_another_address_is_refused(keys):
    """A device that answers at an address that is not in its certificate is no peer; at its own it is."""

    async def run():
        async with running(keys[OTHER], HOST) as (_, taker, address):
            error = await refusal(address, keys[OTHER])
            assert not taker.taken
        async with running(keys[HOST], HOST) as (_, taker, address), client_to(address, keys[OTHER]) as client:
            await client.forward(b"abc", "fc1", "t", 20)
        return error

    error = event_loop.run(run())
    assert isinstance(error, PeerUntrustedError)
    assert "mismatch" in error.message


def test_an_expired_certificate_is_refused(tmp_path):
    """Keys that have run out open nothing, and the error says what it is."""
    old = made_keys(tmp_path, HOST, OTHER, days=-0.5)

    async def run():
        async with running(old[HOST]) as (_, _taker, address):
            return await refusal(address, old[OTHER])

    error = event_loop.run(run())
    assert isinstance(error, PeerUntrustedError)
    assert "expired" in error.message


def test_tls_on_a_plain_port(keys):
    """A client with keys does not talk to a node without; plain clients go on being served there."""

    async def run():
        async with running(None) as (_, taker, address):
            error = await refusal(address, keys[OTHER])
            assert not taker.taken
            async with client_to(address, None) as client:
                await client.forward(b"abc", "fc1", "t", 20)
            return error

    error = event_loop.run(run())
    assert isinstance(error, PeerUntrustedError)
    assert "does not speak TLS" in error.message


def test_a_peer_that_dies_in_a_handshake_may_be_tried_again(keys):
    """A connection that breaks within the handshake is no verdict on keys: a sender goes on trying."""

    async def hang_up(reader, writer):
        await reader.read(100)
        writer.close()

    async def run():
        server = await asyncio.start_server(hang_up, HOST, 0)
        async with server:
            return await refusal(server.sockets[0].getsockname(), keys[OTHER])

    assert isinstance(event_loop.run(run()), PeerUnreachableError)


def test_tls_1_2_is_refused_by_the_server(keys):
    """A client of TLS 1.2 gets the alert that says so; with 1.3 the same client is let in."""

    def shake_hands(address, version) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(keys[OTHER].ca)
        context.load_cert_chain(keys[OTHER].certificate, keys[OTHER].key)
        with socket.create_connection(address, 20) as sock, context.wrap_socket(sock, server_hostname=HOST) as tls:
            return tls.version()

    async def run():
        async with running(keys[HOST]) as (_, _taker, address):
            with pytest.raises(ssl.SSLError) as caught:
                await asyncio.to_thread(shake_hands, address, ssl.TLSVersion.TLSv1_2)
            return caught.value, await asyncio.to_thread(shake_hands, address, ssl.TLSVersion.TLSv1_3)

    error, version = event_loop.run(run())
    assert error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert version == "TLSv1.3"


def test_tls_1_2_is_refused_by_the_client(keys):
    """A server that knows TLS 1.2 at most is told from one that speaks plain."""

    async def run(address):
        return await refusal(address, keys[OTHER])

    with stock_server(keys[HOST], take_request, ssl.TLSVersion.TLSv1_2) as (address, _):
        error = event_loop.run(run(address))
    assert isinstance(error, PeerUntrustedError)
    assert "older TLS" in error.message


def test_a_handshake_that_stops_is_ended(keys):
    """Strangers who begin a handshake count as connections, and are cut off at the message deadline."""

    async def run():
        async with running(keys[HOST], message_deadline_s=0.5) as (server, _, address):
            hello = TlsSession(keys[OTHER].client_context, HOST)
            hello.handshake()
            first = hello.outgoing()
            readers = []
            for sent in (b"", first[:1], first[:100], first):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(sent)
                readers.append((reader, writer))
            await until(lambda: server.connections == len(readers))
            async with asyncio.timeout(20):
                for reader, writer in readers:
                    with contextlib.suppress(ConnectionResetError):
                        await reader.read()
                    writer.close()
            await until(lambda: not server.connections)

    event_loop.run(run())


def test_garbage_on_a_tls_port(keys):
    """Whatever comes in place of a handshake, or within one, is refused, and the next device is served."""
    hello = TlsSession(keys[OTHER].client_context, HOST)
    hello.handshake()
    begun = hello.outgoing()
    record = b"\x16\x03\x01\x40\x00"
    garbage = [
        b"\0",
        b"\x15\x03\x03\x00\x02\x02\x28",
        record + os.urandom(16_384),
        os.urandom(100),
        begun + os.urandom(64),
    ]
    garbage += [begun[:50] + os.urandom(200), b"\x16\x03\x01\xff\xff" + bytes(70_000), b"GET / HTTP/1.1\r\n\r\n"]

    async def run():
        async with running(keys[HOST], message_deadline_s=1.0) as (server, taker, address):
            for sent in garbage:
                reader, writer = await asyncio.open_connection(*address)
                async with asyncio.timeout(20):
                    with contextlib.suppress(ConnectionError):
                        writer.write(sent)
                        await reader.read()
                writer.close()
            async with client_to(address, keys[OTHER]) as client:
                await client.forward(b"abc", "fc1", "t", 20)
            assert len(taker.taken) == 1
            await until(lambda: not server.connections)

    event_loop.run(run())
