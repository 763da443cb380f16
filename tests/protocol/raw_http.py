"""HTTP and Avro by hand, so that the tests can also say what no client would."""

import socket
from collections.abc import Iterable

from harness.rpc.protocol import PROTOCOL_HASH, encode_string, forward_prefix

HANDSHAKE = PROTOCOL_HASH + b"\0" + PROTOCOL_HASH + b"\0"
TENSOR = b"\1\2\3\4"


def forward_message(tensor: bytes = TENSOR, next_role: str = "fc1", tag: str = "t") -> bytes:
    """A good call of `forward` with a short tensor, without frames."""
    assert len(tensor) < 64
    size = bytes((2 * len(tensor),))
    return forward_prefix(PROTOCOL_HASH, PROTOCOL_HASH) + size + tensor + encode_string(next_role) + encode_string(tag)


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


def read_answer(sock: socket.socket) -> tuple[int, bytes] | None:
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


def exchange(
    address: tuple[str, int], pieces: Iterable[bytes], *, half_close: bool = False
) -> tuple[int, bytes] | None:
    """Send on a new connection, and read one answer; None if the server closes without any."""
    with socket.create_connection(address, timeout=10) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server may refuse before it has everything
        try:
            return read_answer(sock)
        except ConnectionError:
            return None
