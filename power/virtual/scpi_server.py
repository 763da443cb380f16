"""The virtual device on a raw TCP socket."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time

from power.virtual.device import Device


class ScpiServer(socketserver.ThreadingTCPServer):
    """Serves lines that end with a line feed.

    Args:
        address: host and port; port 0 takes a free one.
        device: what answers.
        single_session: close a second client at once, as many meters do.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], device: Device, *, single_session: bool = False) -> None:
        self.device = device
        self.session = threading.Semaphore(1) if single_session else None
        super().__init__(address, _Session)


class _Session(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: ScpiServer

    def handle(self) -> None:
        session = self.server.session
        if session and not session.acquire(blocking=False):
            return
        try:
            self._serve()
        except OSError:
            return  # the client has gone
        finally:
            if session:
                session.release()

    def _serve(self) -> None:
        for line in self.rfile:
            reply = self.server.device.answer(line.decode("ascii", "replace").strip())
            if reply.delay_s:
                time.sleep(reply.delay_s)
            for message in reply.messages:
                self.wfile.write(message)
            if reply.ending:
                if reply.ending == "rst":
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                return
