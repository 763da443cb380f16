"""Small instruments for tests of the link: each speaks one transport on a real socket or terminal, and one dialect."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = Callable[[bytes], "bytes | None"]
"""From a command, without its terminator, to what is sent as it stands; None hangs up."""


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection in a thread of its own; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                serve(connection)

        threading.Thread(target=run, daemon=True).start()
        yield server.getsockname()[1]
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def raw_instrument(answer: Answer, end: bytes = b"\n") -> Iterator[str]:
    """An instrument on a raw socket whose commands end with `end`; gives its resource."""

    def serve(connection: socket.socket) -> None:
        held = b""
        while data := connection.recv(4096):
            *commands, held = (held + data).split(end)
            for command in commands:
                reply = answer(command)
                if reply is None:
                    return
                connection.sendall(reply)

    with listening(serve) as port:
        yield f"TCPIP::127.0.0.1::{port}::SOCKET"


@contextmanager
def serial_instrument(answer: Answer, end: bytes = b"\r\n") -> Iterator[str]:
    """An instrument behind a pseudo terminal; gives its resource."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def serve() -> None:
        held = b""
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                *commands, held = (held + data).split(end)
                for command in commands:
                    reply = answer(command)
                    if reply is None:
                        os.close(ours)
                        return
                    os.write(ours, reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"ASRL{os.ttyname(theirs)}::INSTR"
    finally:
        os.close(theirs)
        with contextlib.suppress(OSError):
            os.close(ours)


_HISLIP = "!2sBBIQ"  # IVI-6.1, table 3: "HS", type, control code, parameter, length of the payload
_INITIALIZE, _INITIALIZED, _DATA_END = 0, 1, 7
_ANSWERS = {  # type of a message -> type of its answer, payload
    17: (18, b""),  # AsyncInitialize
    15: (16, struct.pack("!Q", 1 << 20)),  # AsyncMaximumMessageSize
    19: (23, b""),  # AsyncDeviceClear
    8: (9, b""),  # DeviceClearComplete
}


@contextmanager
def hislip_instrument(answer: Answer) -> Iterator[str]:
    """An instrument on HiSLIP (IVI-6.1), as far as a query and a clear need it; gives its resource."""

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while head := stream.read(16):
            _, kind, _control, parameter, size = struct.unpack(_HISLIP, head)
            payload = stream.read(size)
            if kind == _INITIALIZE:
                connection.sendall(struct.pack("!2sBBHHQ", b"HS", _INITIALIZED, 0, 0x0100, 1, 0))
            elif kind == _DATA_END:
                reply = answer(payload.rstrip(b"\n"))
                if reply is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                if reply:
                    connection.sendall(struct.pack(_HISLIP, b"HS", _DATA_END, 0, parameter, len(reply)) + reply)
            elif kind in _ANSWERS:
                other, body = _ANSWERS[kind]
                connection.sendall(struct.pack(_HISLIP, b"HS", other, 0, 0, len(body)) + body)

    with listening(serve) as port:
        yield f"TCPIP::127.0.0.1::hislip0,{port}::INSTR"
