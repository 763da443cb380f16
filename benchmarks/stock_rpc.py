"""The stock way to speak Avro RPC in Python: `avro.ipc` over `http.server`, a new connection for each call.

This is how the published scripts talked. It is kept as a baseline to measure against, with their defects of
counting left out: messages carry an identity and a join is keyed by it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

import avro.ipc
import avro.protocol

from harness.farm.config import Address

PROTOCOL = avro.protocol.parse((resources.files("harness") / "rpc" / "image.avpr").read_text(encoding="utf-8"))

Handler = Callable[[bytes, str, str], None]


def forward(address: Address, payload: bytes, role: str, tag: str) -> None:
    """Send one tensor over a connection of its own and wait for the answer."""
    transceiver = avro.ipc.HTTPTransceiver(address.host, address.port)
    try:
        requestor = avro.ipc.Requestor(PROTOCOL, transceiver)
        requestor.request("forward", {"input": payload, "next": role, "tag": tag})
    finally:
        transceiver.close()


class _Responder(avro.ipc.Responder):  # type: ignore[misc]  # avro has no types
    """Hands `forward` to a function."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(PROTOCOL)
        self._handler = handler

    def invoke(self, message: Any, request: dict[str, Any]) -> None:
        """Called by `avro.ipc` for each message."""
        assert message.name == "forward"
        self._handler(request["input"], request["next"], request["tag"])


class _Server(ThreadingHTTPServer):
    """One thread for each connection."""

    daemon_threads = True
    request_queue_size = 128  # with the default of 5, a burst of senders waits a second for a second try


class StockServer:
    """An Avro RPC server at an address, in the background.

    Args:
        address: where to listen.
        handler: takes payload, role and tag of each `forward`; the call is answered when it returns.
        keep: speak HTTP/1.1 and keep connections, for clients that do; the published scripts did not.
    """

    def __init__(self, address: Address, handler: Handler, *, keep: bool = False) -> None:
        responder = _Responder(handler)

        class RequestHandler(BaseHTTPRequestHandler):
            """Reads one framed message and writes one."""

            def do_POST(self) -> None:
                """Answer one call."""
                answer = responder.respond(avro.ipc.FramedReader(self.rfile).read_framed_message())
                self.send_response(200)
                self.send_header("Content-Type", "avro/binary")
                if keep:
                    framed = io.BytesIO()
                    avro.ipc.FramedWriter(framed).write_framed_message(answer)
                    self.send_header("Content-Length", str(framed.tell()))
                self.end_headers()
                avro.ipc.FramedWriter(self.wfile).write_framed_message(answer)

            def log_message(self, *_: Any) -> None:
                """Keep quiet: one line for each call would cost time."""

        if keep:
            # In small writes, and with Nagle's algorithm, a kept connection would wait 40 ms for each answer.
            RequestHandler.protocol_version = "HTTP/1.1"
            RequestHandler.disable_nagle_algorithm = True
            RequestHandler.wbufsize = -1
        self._server = _Server((address.host, address.port), RequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
