"""The Avro library's own RPC for Python, as a client of our server and as a server of our client."""

import asyncio
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import avro.errors
import avro.ipc
import avro.protocol
import pytest

from harness.rpc import event_loop
from harness.rpc.client import RpcClient
from harness.rpc.errors import ProtocolError, RemoteError
from harness.rpc.protocol import PROTOCOL_TEXT

ORIGINAL = json.dumps(
    {
        "protocol": "image",
        "messages": {"forward": json.loads(PROTOCOL_TEXT)["messages"]["forward"]},
    }
)
TAG = "run=9f3c;frame=17;tensor=fc1;part=0/2;model=ab12"


@contextmanager
def stock_client(served, text: str = PROTOCOL_TEXT) -> Iterator[avro.ipc.Requestor]:
    """The library's client, connected."""
    transceiver = avro.ipc.HTTPTransceiver(*served.address)
    try:
        yield avro.ipc.Requestor(avro.protocol.parse(text), transceiver)
    finally:
        transceiver.close()


@pytest.mark.parametrize("text", [PROTOCOL_TEXT, ORIGINAL], ids=["image.avpr", "the original protocol"])
def test_the_stock_client_calls_forward(server, text):
    """The library's client hands over a tensor, twice on one connection, whole and with its names."""
    with stock_client(server, text) as client, stock_client(server) as reader:
        for tensor in (bytes(range(256)) * 1000, b""):
            reader.request("begin", {"run": "r"})
            assert client.request("forward", {"input": tensor, "next": "fc1", "tag": TAG}) is None
            told = reader.request("statistics", {"run": "r"})
            assert told["received"] == 1
            assert told["errors"] == [hashlib.sha256(tensor).hexdigest(), "fc1", TAG]
            assert told["errors"][0] != hashlib.sha256(tensor + b"\0").hexdigest()


def test_the_stock_client_calls_describe(server):
    """The library's client reads who the node is, numbers and strings."""
    with stock_client(server) as client:
        description = client.request("describe", {})
    assert description["pid"] == server.pid
    assert description["role"] == "the role"


def test_the_stock_client_reads_our_errors(server):
    """A handler's refusal, a handler's defect and an unknown message reach the library's client as errors."""
    with stock_client(server) as client:
        for next_role, text in (
            ("refuse", "busy: the queue of refuse is full"),
            ("bug", "internal error: KeyError"),
        ):
            with pytest.raises(avro.errors.AvroRemoteException, match=text):
                client.request("forward", {"input": b"", "next": next_role, "tag": TAG})
        assert client.request("probe", {"input": b"still here"}) == 10
    foreign = json.dumps({"protocol": "image", "messages": {"dance": {"request": [], "response": "null"}}})
    # The library looks the message up in our protocol before it reads our error.
    with stock_client(server, foreign) as client, pytest.raises(avro.errors.AvroException, match="dance"):
        client.request("dance", {})


class StockResponder(avro.ipc.Responder):
    """A server's logic on the library's own responder."""

    def __init__(self, text: str) -> None:
        super().__init__(avro.protocol.parse(text))
        self.calls: list[dict] = []

    def invoke(self, message, request):
        """Answer as our node would."""
        if request.get("next") == "refuse":
            raise avro.errors.AvroRemoteException("busy")
        self.calls.append(request)
        return len(request["input"]) if message.name == "probe" else None


@contextmanager
def stock_server(text: str, http_version: str = "HTTP/1.1") -> Iterator[tuple[StockResponder, tuple[str, int]]]:
    """The library's responder behind the standard library's HTTP server."""
    responder = StockResponder(text)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = http_version

        def do_POST(self) -> None:
            """Answer one call."""
            request = avro.ipc.FramedReader(self.rfile).read_framed_message()
            answer = responder.respond(request)
            self.send_response(200)
            self.send_header("Content-Type", "avro/binary")
            if http_version == "HTTP/1.1":
                self.send_header("Content-Length", str(len(answer) + 4 * -(-len(answer) // 8192) + 4))
            self.end_headers()
            avro.ipc.FramedWriter(self.wfile).write_framed_message(answer)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    httpd = http.server.ThreadingHTTPServer(("127.0.0.9", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield responder, httpd.server_address
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def in_loop(address, *calls):
    """Make calls with one client of ours; their answers, or errors."""

    async def run():
        client = RpcClient(*address)
        try:
            tasks = [await asyncio.gather(one(client), return_exceptions=True) for one in calls]
        finally:
            await client.close()
        return [task[0] for task in tasks]

    return event_loop.run(run())


def forward(tensor, next_role="fc1"):
    """A call of `forward`, to be made later."""
    return lambda client: client.forward(tensor, next_role, TAG, 10)


@pytest.mark.parametrize("http_version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("text", [PROTOCOL_TEXT, ORIGINAL], ids=["image.avpr", "the original protocol"])
def test_our_client_calls_a_stock_server(text, http_version):
    """Our client gets through the library's handshake, on new and on kept connections."""
    tensor = bytes(range(256)) * 400
    with stock_server(text, http_version) as (responder, address):
        results = in_loop(address, forward(tensor), forward(b"x"), forward(tensor, "refuse"), forward(b"y"))
    assert results[0] is results[1] is results[3] is None
    assert isinstance(results[2], RemoteError)
    assert results[2].text == "busy"
    assert [call["input"] for call in responder.calls] == [tensor, b"x", b"y"]
    assert responder.calls[0] == {"input": tensor, "next": "fc1", "tag": TAG}


def test_a_message_that_a_stock_server_lacks_is_a_protocol_error():
    """A peer with the original protocol cannot describe itself; our client says so, and the next call works."""
    with stock_server(ORIGINAL) as (responder, address):
        results = in_loop(address, lambda client: client.call("describe", {}, 10), forward(b"x"))
    assert isinstance(results[0], (ProtocolError, RemoteError))
    assert f"{address[0]}:{address[1]}" in str(results[0])
    assert results[1] is None
    assert [call["input"] for call in responder.calls] == [b"x"]


def test_a_result_of_a_stock_server_is_resolved():
    """A server that declares a result of another number type is understood by its own declaration."""
    narrow = json.loads(PROTOCOL_TEXT)
    narrow["messages"]["probe"]["response"] = "int"
    with stock_server(json.dumps(narrow)) as (_, address):
        assert in_loop(address, lambda client: client.call("probe", {"input": b"abc"}, 10)) == [3]
