"""The yardstick: plain blocking sockets, eight bytes of length, the payload, one byte back.

The receiver takes what is there with the first call and waits for the whole rest in the kernel with the second, so
that a message costs it three system calls and no copy. It does nothing else: no protocol, no names, no limits, no
time-outs, one peer.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.transport.payloads import Receiver
from benchmarks.transport.speaking import HOST
from benchmarks.transport.timing import Pace, Timing, one_by_one

_HEAD_BYTES = 8
_MOST_BYTES = 4 * 2**20
_ACKNOWLEDGEMENT = b"\1"
_PAGE_BYTES, _INTO_PAGE_BYTES = 4096, 64
"""Memory that begins within 31 bytes behind a page's begin, as that of a large `bytearray` does, took the kernel of an
AMD EPYC two and a half times as long to copy to; so ours begins 64 bytes into a page."""


class RawServer:
    """Receives every message into the same memory: the next one overwrites it."""

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """See `Server`."""
        with socket.create_server((HOST, 0)) as listening:
            ready(listening.getsockname()[1])
            connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receive(connection, receiver)

    def _receive(self, connection: socket.socket, receiver: Receiver) -> None:
        whole_pages = np.zeros(_MOST_BYTES, np.uint8)  # zeros, so that the pages are there
        memory = whole_pages[(_INTO_PAGE_BYTES - whole_pages.ctypes.data) % _PAGE_BYTES :].data
        receive, send, whole = connection.recv_into, connection.send, socket.MSG_WAITALL
        while came := receive(memory):
            end = _HEAD_BYTES + int.from_bytes(memory[:_HEAD_BYTES], "little")
            if came < end:
                receive(memory[came:end], end - came, whole)
            receiver.take(memory[_HEAD_BYTES:end])
            send(_ACKNOWLEDGEMENT)


class RawKeepingServer(RawServer):
    """Receives every message into new memory, which the receiver may keep."""

    def _receive(self, connection: socket.socket, receiver: Receiver) -> None:
        receive, send, whole = connection.recv_into, connection.send, socket.MSG_WAITALL
        usual = _HEAD_BYTES
        while True:
            memory = np.empty(usual, np.uint8).data
            came = receive(memory)
            if not came:
                return
            end = _HEAD_BYTES + int.from_bytes(memory[:_HEAD_BYTES], "little")
            if end > usual:  # the first message of a size
                usual, begin = end, memory[:came]
                memory = np.empty(usual, np.uint8).data
                memory[:came] = begin
            usual = end
            if came < end:
                receive(memory[came:end], end - came, whole)
            receiver.take(memory[_HEAD_BYTES:end])
            send(_ACKNOWLEDGEMENT)


class RawClient:
    """Sends head and payload with one system call where the kernel takes both."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._socket = socket.create_connection((HOST, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        heads = [len(payload).to_bytes(_HEAD_BYTES, "little") for payload in payloads]
        views = [memoryview(payload) for payload in payloads]
        gather, send_all, receive = self._socket.sendmsg, self._socket.sendall, self._socket.recv

        def send(number: int) -> None:
            payload = views[number]
            sent = gather((heads[number], payload)) - _HEAD_BYTES
            if sent < len(payload):
                send_all(payload[sent:])
            receive(1)

        return one_by_one(send, pace)
