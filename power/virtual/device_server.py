"""What the servers of the virtual device share: threads, a bound on connections, and how they end."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
from typing import Any

from power.virtual.device import Device

_MAX_CONNECTIONS = 32


class DeviceServer(socketserver.ThreadingTCPServer):
    """Serves a device over TCP, a thread for each connection; more than 32 at once are closed.

    Args:
        address: host and port; port 0 takes a free one.
        device: what answers.
        handler: of one connection.
        session: taken by each client while it is connected; a client that finds it taken is turned away. None
            lets any number in.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(
        self,
        address: tuple[str, int],
        device: Device,
        handler: type[socketserver.BaseRequestHandler],
        session: threading.Semaphore | None = None,
    ) -> None:
        self.device = device
        self.session = session
        self._room = threading.Semaphore(_MAX_CONNECTIONS)
        super().__init__(address, handler)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, or close it where there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client went away in the middle; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def reset_on_close(connection: socket.socket) -> None:
    """Make the end of a connection a reset: what is on its way is lost, and the peer gets an error."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()  # the streams over it keep it open until the handler is through
