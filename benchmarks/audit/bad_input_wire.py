"""HTTP and Avro by hand, so that audits and tests can also say what no client would."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from typing import Final

import avro.ipc

from harness.rpc.framing import decode_message
from harness.rpc.handshake import HandshakeResponse
from harness.rpc.protocol import PROTOCOL_HASH, encode_long, encode_string, forward_prefix
from harness.rpc.resolution import Decoder, read_boolean, read_datum, read_string

HANDSHAKE: Final = PROTOCOL_HASH + b"\0" + PROTOCOL_HASH + b"\0"
TENSOR: Final = b"\1\2\3\4"
PATIENCE_S: Final = 10.0
_MOST_ANSWER_BYTES: Final = 1_000_000

Answer = tuple[int, bytes]
"""HTTP status and body."""


def forward_message(tensor: bytes = TENSOR, next_role: str = "fc1", tag: str = "t") -> bytes:
    """A call of `forward`, without frames."""
    parameters = encode_long(len(tensor)) + tensor + encode_string(next_role) + encode_string(tag)
    return forward_prefix(PROTOCOL_HASH, PROTOCOL_HASH) + parameters


def framed(*frames: bytes, end: bytes = b"\0\0\0\0") -> bytes:
    """The frames with their lengths, and the terminator."""
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames) + end


def chunked(*chunks: bytes) -> bytes:
    """An HTTP body in chunks."""
    return b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n\r\n"


def post(body: bytes, *headers: str, length: int | None = None, line: str = "POST / HTTP/1.1") -> bytes:
    """An HTTP request; `length` is what Content-Length says, -1 leaves it out."""
    size = len(body) if length is None else length
    lines = [line, "Host: test", *headers] + ([f"Content-Length: {size}"] if size >= 0 else [])
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_answer(sock: socket.socket) -> Answer | None:
    """Status and body of one answer, and not a byte behind it; None if the connection ends before its head does."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return None
        head += byte
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += sock.recv(length - len(body)) or b"?" * length
    return int(head.split()[1]), body


def exchange(address: tuple[str, int], pieces: Iterable[bytes], *, half_close: bool = False) -> Answer | None:
    """Send on a new connection, and read one answer; None if the server closes without any."""
    with socket.create_connection(address, timeout=PATIENCE_S) as sock:
        send(sock, pieces, half_close=half_close)
        try:
            return read_answer(sock)
        except ConnectionError:
            return None


def send(sock: socket.socket, pieces: Iterable[bytes], *, half_close: bool = False) -> None:
    """Send until all is out or the server takes no more; it may refuse before it has everything."""
    with contextlib.suppress(OSError):
        for piece in pieces:
            sock.sendall(piece)
        if half_close:
            sock.shutdown(socket.SHUT_WR)


def said(answer: Answer) -> str:
    """What an answer says: the reason of a refusal, the text of an Avro error, "" for an acknowledged call.

    Raises:
        WireFormatError: HTTP says 200, and what follows is no Avro answer.
    """
    status, body = answer
    if status != 200:
        return body.decode().removesuffix("\n")
    decoder = Decoder(decode_message(body, _MOST_ANSWER_BYTES))
    if HandshakeResponse.read(decoder).match == "NONE":
        return "handshake NONE"
    read_datum(decoder, avro.ipc.META_SCHEMA, avro.ipc.META_SCHEMA)
    if not read_boolean(decoder):
        return ""
    decoder.read_long()  # the branch of the error union: a text is its only one
    return read_string(decoder)
