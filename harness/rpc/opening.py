"""How a client's connection begins: a socket, the TLS handshake where there are keys, and what may go wrong."""

import asyncio
import contextlib
import socket
import ssl
from typing import Final

from harness.rpc.tls import TlsSession, explained

_READ_BYTES: Final = 65_536


class ConnectionBrokenError(Exception):
    """The connection ended before the answer did.

    Args:
        reason: what the system says.
        answer_begun: whether any byte of the answer had come.
    """

    def __init__(self, reason: str, *, answer_begun: bool) -> None:
        super().__init__(reason)
        self.answer_begun = answer_begun


class NotTrustedError(Exception):
    """The peer and this side do not come to terms over TLS; the text says what is wrong with the peer."""


async def connect(
    host: str, port: int, context: ssl.SSLContext | None = None
) -> tuple[socket.socket, TlsSession | None]:
    """Connect to the first address of `host` that answers.

    Args:
        host: address or name.
        port: TCP port.
        context: of the client's side of TLS; None speaks plain.

    Returns:
        The socket, not blocking, and the TLS session after its handshake; None where plain is spoken.

    Raises:
        OSError: none does.
        NotTrustedError: it answers, and does not come to terms over TLS.
    """
    loop = asyncio.get_running_loop()
    try:
        numeric = socket.AI_NUMERICHOST  # needs no look-up, and so no thread for one
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
    except socket.gaierror:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
            tls = None if context is None else await _shake_hands(sock, loop, TlsSession(context, host))
        except OSError as error:
            failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return sock, tls
    raise failure


async def _shake_hands(sock: socket.socket, loop: asyncio.AbstractEventLoop, tls: TlsSession) -> TlsSession:
    """Do the client's side of a handshake; the peer may still refuse our certificate in place of an answer.

    Raises:
        NotTrustedError: the two do not come to terms.
        OSError: the connection broke, which says nothing of keys.
    """
    data = b""
    while True:
        try:
            done = tls.handshake(data)
        except ssl.SSLError as error:
            with contextlib.suppress(OSError):  # the alert, for the peer's log
                sock.send(tls.outgoing())
            raise NotTrustedError(explained(error)) from error
        await loop.sock_sendall(sock, tls.outgoing())
        if done:
            return tls
        data = await loop.sock_recv(sock, _READ_BYTES)
        if not data:
            raise ConnectionResetError("it ends the connection within the TLS handshake")
