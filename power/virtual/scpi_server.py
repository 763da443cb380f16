"""The virtual device on a raw TCP socket."""

from __future__ import annotations

import socketserver
import threading
import time

from power.virtual.device import Device
from power.virtual.device_server import DeviceServer, reset_on_close

_MAX_LINE = 65_536


class ScpiServer(DeviceServer):
    """Serves lines that end with a line feed; a client whose line is longer than 64 KiB is disconnected.

    Args:
        address: host and port; port 0 takes a free one.
        device: what answers.
        session: of the device, see `DeviceServer`; a second client is closed at once, as many meters do.
    """

    def __init__(self, address: tuple[str, int], device: Device, session: threading.Semaphore | None = None) -> None:
        super().__init__(address, device, _Session, session)


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
        while line := self.rfile.readline(_MAX_LINE):
            if not line.endswith(b"\n"):
                return
            reply = self.server.device.answer(line.decode("ascii", "replace").strip())
            if reply.delay_s or reply.stall_s:
                time.sleep(reply.delay_s + reply.stall_s)
            for message in reply.messages:
                self.wfile.write(message)
            if reply.ending == "rst":
                reset_on_close(self.connection)
            if reply.ending:
                return
