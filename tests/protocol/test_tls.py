"""Mutual TLS on real sockets: who is let in, who is not, and what each is told."""

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from farm_keys import made_keys
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol.raw_http import framed, post

from harness.errors import BadInputError, FarmError
from harness.rpc import cipher_order
from harness.rpc.cipher_order import CHACHA_FIRST, has_aes
from harness.rpc.client import DELIVERED, RpcClient
from harness.rpc.errors import PeerUnreachableError, PeerUntrustedError
from harness.rpc.exchange import ClientConnection
from harness.rpc.limits import Limits
from harness.rpc.responder import VOID
from harness.rpc.security import Security
from harness.rpc.server import RpcServer
from harness.rpc.tls import TlsSession

HOST, OTHER = "127.0.0.11", "127.0.0.12"
LIMIT = 10**7


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of one farm with two devices."""
    return made_keys(tmp_path_factory.mktemp("keys"), HOST, OTHER)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Keys of another farm with the same addresses."""
    return made_keys(tmp_path_factory.mktemp("foreign"), HOST, OTHER)


class Taker:
    """Takes tensors and keeps their digests."""

    def __init__(self):
        self.taken = []

    def forward(self, input, next, tag):  # noqa: A002
        """Takes one."""
        self.taken.append((hashlib.sha256(input).hexdigest(), next, tag))

    def probe(self, input):  # noqa: A002
        """The size."""
        return len(input)


@contextlib.asynccontextmanager
async def running(security, host=HOST, **limits):
    """A server of ours, its handler, and where it listens."""
    taker = Taker()
    server = RpcServer(taker, Limits(**{"max_message_bytes": LIMIT} | limits), security)
    address = await server.start((host, 0))
    try:
        yield server, taker, address
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def client_to(address, security):
    """A client of ours."""
    client = RpcClient(*address[:2], security=security)
    try:
        yield client
    finally:
        await client.close()


async def until(condition) -> None:
    """Wait for something that shows in a server's figures."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.01)


async def refusal(address, security) -> FarmError:
    """The error that a client with these keys gets for a tensor that it is still sending when it is refused."""
    async with client_to(address, security) as client:
        with pytest.raises(FarmError) as caught:
            await client.forward(bytes(6_000_000), "fc1", "t", 20)
        return caught.value


class NoCertificate:
    """A device that knows the farm's authority and has no certificate."""

    def __init__(self, security):
        self.client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client_context.load_verify_locations(security.ca)


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

    taken = asyncio.run(run())
    assert taken == [(hashlib.sha256(each).hexdigest(), "fc1", str(n)) for n, each in enumerate(tensors)]


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

    assert [digest for digest, *_ in asyncio.run(run())] == [hashlib.sha256(each).hexdigest() for each in tensors]


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

    (host, port), error = asyncio.run(run())
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

    error = asyncio.run(run())
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

    error = asyncio.run(run())
    assert isinstance(error, PeerUntrustedError)
    assert "mismatch" in error.message


def test_an_expired_certificate_is_refused(tmp_path):
    """Keys that have run out open nothing, and the error says what it is."""
    old = made_keys(tmp_path, HOST, OTHER, days=-0.5)

    async def run():
        async with running(old[HOST]) as (_, _taker, address):
            return await refusal(address, old[OTHER])

    error = asyncio.run(run())
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

    error = asyncio.run(run())
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

    assert isinstance(asyncio.run(run()), PeerUnreachableError)


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

    error, version = asyncio.run(run())
    assert error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert version == "TLSv1.3"


@contextlib.contextmanager
def stock_server(security, talk, version=ssl.TLSVersion.TLSv1_3):
    """A server of Python's own module ssl in a thread: `talk` has each TLS socket in turn."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_verify_locations(security.ca)
    context.load_cert_chain(security.certificate, security.key)
    context.verify_mode = ssl.CERT_REQUIRED
    accepted = []
    with socket.create_server((HOST, 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    sock.settimeout(20)
                    accepted.append(sock)
                    with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
                        talk(tls)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname(), accepted
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def take_request(tls) -> bool:
    """Read one request whole; False at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = tls.recv(65_536)
        if not part:
            return False
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(tls.recv(65_536))
    return True


def test_tls_1_2_is_refused_by_the_client(keys):
    """A server that knows TLS 1.2 at most is told from one that speaks plain."""

    async def run(address):
        return await refusal(address, keys[OTHER])

    with stock_server(keys[HOST], take_request, ssl.TLSVersion.TLSv1_2) as (address, _):
        error = asyncio.run(run(address))
    assert isinstance(error, PeerUntrustedError)
    assert "older TLS" in error.message


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
        asyncio.run(run(address))
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

    assert asyncio.run(run()) == (True, False)


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
        found = asyncio.run(run(address))
    assert found is None if in_order else isinstance(found, PeerUnreachableError)


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

    asyncio.run(run())


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

    asyncio.run(run())


def shaken_hands(keys) -> tuple[TlsSession, TlsSession]:
    """Two sessions that have come to terms, without a socket."""
    client, server = TlsSession(keys[OTHER].client_context, HOST), TlsSession(keys[HOST].server_context)
    client.handshake()
    server.handshake(client.outgoing())
    assert client.handshake(server.outgoing())
    assert server.handshake(client.outgoing())
    return client, server


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


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("flags\t\t: fpu aes avx\n", True),
        ("flags\t\t: fpu avx\n", False),
        ("Features\t: fp asimd evtstrm crc32 cpuid\n", False),
        ("Features\t: fp asimd aes pmull sha1\nFeatures\t: fp asimd aes\n", True),
        ("Features\t: fp asimd aes pmull sha1\nFeatures\t: fp asimd\n", False),
        ("", True),
    ],
)
def test_aes_instructions_are_seen(tmp_path, cpuinfo, expected):
    """A processor counts as having AES when each core says so, or none says anything."""
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert has_aes(tmp_path / "cpuinfo") is expected
    assert has_aes(tmp_path / "none")


_CONNECT = """
import os, socket, sys
from pathlib import Path
from harness.rpc.cipher_order import prefer_chacha
os.environ.pop("OPENSSL_CONF", None)
prefer_chacha(Path(sys.argv[1]))
from harness.rpc.security import Security
with socket.create_connection((sys.argv[3], int(sys.argv[4])), 20) as sock:
    with Security.load(Path(sys.argv[2])).client_context.wrap_socket(sock, server_hostname=sys.argv[3]) as tls:
        print(tls.cipher()[0])
"""


@pytest.mark.skipif(not has_aes(), reason="this processor has no AES instructions: ChaCha20 comes first by itself")
@pytest.mark.parametrize(("features", "suite"), [("asimd crc32", CHACHA_FIRST.split(":")[0]), ("asimd aes", None)])
def test_a_device_without_aes_gets_chacha20(tmp_path, keys, features, suite):
    """A device whose processor lacks AES talks ChaCha20 with one that has it; two that have it stay with AES."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"Features\t: {features}\n")

    async def run():
        async with running(keys[HOST]) as (_, _taker, (host, port)):
            command = [sys.executable, "-c", _CONNECT, str(cpuinfo), str(keys[OTHER].key.parent), host, str(port)]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

    found = asyncio.run(run())
    assert found == suite if suite else "AES" in found


def test_the_settings_file_says_what_the_code_says():
    """Both ways to order the suites name the same order."""
    settings = Path(cipher_order.__file__).with_name("chacha_first.cnf").read_text()
    assert f"Ciphersuites = {CHACHA_FIRST}\n" in settings


@pytest.mark.parametrize("name", ["ca.pem", "device.pem", "device.key"])
@pytest.mark.parametrize("content", [None, b"", b"no key", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_keys_that_cannot_be_used(tmp_path, keys, name, content):
    """A missing or broken file is one line that names it or its folder; whole ones load."""
    for path in (keys[HOST].ca, keys[HOST].certificate, keys[HOST].key):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(0o600)
    assert Security.load(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        Security.load(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_key_that_others_may_read_is_refused(tmp_path, keys):
    """A key with loose permissions is refused with the command that mends them."""
    for path in (keys[HOST].ca, keys[HOST].certificate, keys[HOST].key):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(0o644)
    with pytest.raises(BadInputError, match="others may read") as caught:
        Security.load(tmp_path)
    assert "chmod 600" in caught.value.hint
