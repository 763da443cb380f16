"""A running farm driven by other people's Avro: stock Python and npm's avsc send, a stock responder receives."""

from __future__ import annotations

import http.server
import queue
import socketserver
import threading
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import avro.ipc
import avro.protocol
import numpy as np
import pytest
from farms import Farm
from npm_avsc import install_avsc, node

from harness.bench.options import RunOptions
from harness.bench.reference import Reference
from harness.bench.right_answers import reference_for
from harness.bench.session import plan_of
from harness.rpc.identity import Identity
from harness.rpc.protocol import PROTOCOL_TEXT

RUN = "foreign"


@pytest.fixture(scope="module")
def reference(alexnet_farm: Farm) -> Reference:
    """What the single device answers."""
    options = RunOptions(model="alexnet", target_name="farm", farm_file=alexnet_farm.file)
    return reference_for(options, plan_of(options))


class Sink(avro.ipc.Responder):
    """The library's own responder in the place of the initial."""

    def __init__(self) -> None:
        super().__init__(avro.protocol.parse(PROTOCOL_TEXT))
        self.results: queue.Queue[tuple[str, np.ndarray]] = queue.Queue()

    def invoke(self, local_message, request):
        """Keep a result."""
        assert local_message.name == "forward"
        assert request["next"] == "initial"
        # A node may still hold a result of a run that was broken off before this one.
        if request["tag"].startswith(f"run={RUN};"):
            self.results.put((request["tag"], np.frombuffer(request["input"], dtype=np.float32)))


@pytest.fixture(scope="module")
def sink(alexnet_farm: Farm) -> Iterator[Sink]:
    """A sink that listens where the farm sends its results; the nodes keep their connection to it."""
    responder = Sink()

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = avro.ipc.FramedReader(self.rfile).read_framed_message()
            answer = responder.respond(request)
            self.send_response(200)
            self.send_header("Content-Type", "avro/binary")
            self.send_header("Content-Length", str(len(answer) + 8))
            self.end_headers()
            avro.ipc.FramedWriter(self.wfile).write_framed_message(answer)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    host, port = alexnet_farm.document()["initial"][0].split(":")
    with Server((host, int(port)), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield responder
        finally:
            server.shutdown()
            thread.join()


def _begin(farm: Farm) -> None:
    """Start the run on every node with the library's client."""
    for role, addresses in farm.document().items():
        for address in addresses:
            if role != "initial":
                _stock(address, "begin", {"run": RUN})


def _stock(address: str, message: str, request: dict[str, object]) -> object:
    host, port = address.split(":")
    transceiver = avro.ipc.HTTPTransceiver(host, int(port))
    # The library remembers servers by the client's own port, and trips over one that the system gives out again.
    avro.ipc.REMOTE_HASHES.clear()
    try:
        return avro.ipc.Requestor(avro.protocol.parse(PROTOCOL_TEXT), transceiver).request(message, request)
    finally:
        transceiver.close()


def _tag(reference: Reference, frame: int) -> str:
    return str(Identity(RUN, frame, "frame", 0, 1, reference.model_fingerprint))


def _result(sink: Sink, frame: int) -> np.ndarray:
    tag, result = sink.results.get(timeout=30)
    assert f"frame={frame};tensor=predictions;" in tag
    return result


def test_the_stock_python_client_gets_the_right_answer(alexnet_farm: Farm, reference: Reference, sink: Sink) -> None:
    """A frame sent with `avro.ipc` comes back through the whole farm to a stock responder, equal to the reference."""
    _begin(alexnet_farm)
    frame = {"input": reference.images[3].tobytes(), "next": "block1", "tag": _tag(reference, 17)}
    assert _stock(alexnet_farm.document()["block1"][0], "forward", frame) is None
    result = _result(sink, 17)
    assert reference.error(3, result) <= 1e-6
    assert reference.error(4, result) > 1e-4


def test_avsc_gets_the_right_answer(
    alexnet_farm: Farm, reference: Reference, sink: Sink, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """A frame sent with npm's avsc passes a running node and the farm; a short one is refused by name and size."""
    assert pytestconfig.cache is not None
    folder = install_avsc(pytestconfig.cache)
    _begin(alexnet_farm)
    frame = tmp_path / "frame.bin"
    frame.write_bytes(reference.images[5].tobytes())
    address = alexnet_farm.document()["block1"][0]
    protocol = str(resources.files("harness.rpc").joinpath("image.avpr"))
    told = node(folder, "frame.js", *address.split(":"), protocol, RUN, "block1", _tag(reference, 99), str(frame))
    assert told["role"] == "block1"
    assert told["received"] == 1
    assert "expects 150528 bytes of frame, not 9 bytes" in told["refusal"]
    result = _result(sink, 99)
    assert reference.error(5, result) <= 1e-6
    assert reference.error(6, result) > 1e-4
