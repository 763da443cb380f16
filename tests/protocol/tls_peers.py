"""Peers for the tests of mutual TLS: our server and client, Python's own, and a device without a certificate."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
import threading

import pytest

from harness.errors import FarmError
from harness.rpc.client import RpcClient
from harness.rpc.limits import Limits
from harness.rpc.server import RpcServer
from harness.rpc.tls import TlsSession

HOST, OTHER = "127.0.0.11", "127.0.0.12"
LIMIT = 10**7


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


def shaken_hands(keys) -> tuple[TlsSession, TlsSession]:
    """Two sessions that have come to terms, without a socket."""
    client, server = TlsSession(keys[OTHER].client_context, HOST), TlsSession(keys[HOST].server_context)
    client.handshake()
    server.handshake(client.outgoing())
    assert client.handshake(server.outgoing())
    assert server.handshake(client.outgoing())
    return client, server
