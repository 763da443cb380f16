"""The handshake and clients that declare the protocol in their own way; hostile declarations too."""

import json
from typing import Any

import avro.ipc
import pytest

from harness.rpc.errors import ProtocolError, RemoteError, WireFormatError
from harness.rpc.handshake import BOTH, HandshakeRequest, HandshakeResponse
from harness.rpc.protocol import PROTOCOL_HASH, PROTOCOL_TEXT, encode_string, protocol_hash
from harness.rpc.requestor import SEND_AGAIN, Requestor
from harness.rpc.resolution import Decoder, read_boolean, read_datum, read_string
from harness.rpc.responder import VOID, Responder

INPUT = {"name": "input", "type": "bytes"}
NEXT = {"name": "next", "type": "string"}
TAG = {"name": "tag", "type": "string"}


class Recorder:
    """Keeps the calls of `forward`."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, str, str]] = []

    def forward(self, input, next, tag):  # noqa: A002
        """Take one tensor."""
        self.calls.append((bytes(input), next, tag))

    def describe(self):
        """Answer nonsense."""
        return {"software": 5}  # of the wrong type, and incomplete

    def probe(self, input):  # noqa: A002
        """Answer the size."""
        return len(input)


@pytest.fixture
def recorder():
    """Where the calls arrive."""
    return Recorder()


@pytest.fixture
def responder(recorder):
    """What answers them."""
    return Responder(recorder)


def declared(*parameters: Any, types: list | None = None, name: str = "forward", **extra: Any) -> str:
    """A protocol text with one message."""
    message = {"request": list(parameters), "response": "null"}
    return json.dumps({"protocol": "image", "types": types or [], "messages": {name: message}} | extra)


def call(text: str | None, parameters: bytes, *, client: bytes | None = None, name: str = "forward",
         server: bytes = PROTOCOL_HASH) -> bytes:  # fmt: skip
    """Handshake and call of a client whose protocol text is `text`."""
    client_hash = client if client is not None else protocol_hash(text or "")
    return HandshakeRequest(client_hash, server, text).encode() + b"\0" + encode_string(name) + parameters


def read_answer(answer: bytes) -> tuple[str, str | None]:
    """The match of the handshake, and the text of the error if there is one."""
    decoder = Decoder(answer)
    handshake = HandshakeResponse.read(decoder)
    if handshake.match != "BOTH":
        assert handshake.server_protocol == PROTOCOL_TEXT
        assert handshake.server_hash == PROTOCOL_HASH
    if handshake.match == "NONE":
        decoder.expect_end()
        return "NONE", None
    assert read_datum(decoder, avro.ipc.META_SCHEMA, avro.ipc.META_SCHEMA) == {}
    if not read_boolean(decoder):
        return handshake.match, None
    assert not read_boolean(decoder)  # branch 0 of the union, as one byte
    text = read_string(decoder)
    decoder.expect_end()
    return handshake.match, text


def test_a_stranger_is_asked_for_its_protocol_once(responder, recorder):
    """NONE, then the text is learnt and the call done, then the hash alone is enough, on the fast path."""
    text = declared(INPUT, NEXT, TAG)
    parameters = b"\4ab" + encode_string("fc1") + encode_string("t")
    bare = HandshakeRequest(protocol_hash(text), PROTOCOL_HASH).encode() + b"\0" + encode_string("forward")
    assert read_answer(responder.respond(bare + parameters)) == ("NONE", None)
    assert recorder.calls == []
    assert responder.respond(call(text, parameters)) == VOID
    assert responder.respond(bare + parameters) == VOID
    assert recorder.calls == [(b"ab", "fc1", "t")] * 2


def test_a_wrong_guess_of_our_protocol_is_corrected(responder, recorder):
    """CLIENT with our text and hash, and the call is answered all the same."""
    text = declared(INPUT, NEXT, TAG)
    parameters = b"\4ab" + encode_string("fc1") + encode_string("t")
    assert read_answer(responder.respond(call(text, parameters, server=b"?" * 16))) == ("CLIENT", None)
    assert recorder.calls == [(b"ab", "fc1", "t")]


def test_parameters_in_another_order_are_resolved(responder, recorder):
    """A client with its own order and a parameter that we lack is understood by its schema, not by position."""
    text = declared(TAG, {"name": "priority", "type": "int"}, NEXT, INPUT)
    parameters = encode_string("the tag") + b"\2" + encode_string("fc1") + b"\4ab"
    assert read_answer(responder.respond(call(text, parameters))) == ("BOTH", None)
    assert read_answer(responder.respond(call(None, parameters, client=protocol_hash(text)))) == (
        "BOTH",
        None,
    )
    assert recorder.calls == [(b"ab", "fc1", "the tag")] * 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (declared(INPUT, NEXT), "tag"),
        (declared({"name": "input", "type": "string"}, NEXT, TAG), "match"),
        (declared(INPUT, NEXT, TAG, name="other"), "unknown message 'forward'"),
        (json.dumps({"protocol": "image"}), "unknown message 'forward'"),
        ("no protocol", "protocol text cannot be read"),
        ("[" * 5000, "protocol text cannot be read"),
        (json.dumps([]), "protocol text cannot be read"),
        (json.dumps({"messages": 5, "protocol": 7}), "protocol text cannot be read"),
        (declared(INPUT, NEXT, TAG, doc="x" * 70_000), "protocol text of"),
    ],
)
def test_a_client_that_does_not_fit_is_told_why(responder, recorder, text, reason):
    """A declaration without a parameter, with another type, unreadable or too long gets an Avro error."""
    parameters = b"\4ab" + encode_string("fc1") + encode_string("t")
    match, error = read_answer(responder.respond(call(text, parameters)))
    assert match == "BOTH"
    assert reason in error
    assert recorder.calls == []


def test_no_client_can_speak_for_another(responder, recorder):
    """A text under a hash that is not its own is refused, and the owner of that hash is still unknown."""
    honest, forged = declared(INPUT, NEXT, TAG), declared(TAG, NEXT, INPUT)
    parameters = b"\4ab" + encode_string("fc1") + encode_string("t")
    _, error = read_answer(responder.respond(call(forged, parameters, client=protocol_hash(honest))))
    assert "not the MD5" in error
    assert read_answer(responder.respond(call(None, parameters, client=protocol_hash(honest))))[0] == "NONE"
    assert recorder.calls == []


def nested(depth: int) -> list[dict]:
    """Records that each hold the one before twice: 2^depth values that take no byte."""
    types = [{"type": "record", "name": "R0", "fields": [{"name": "a", "type": "null"}]}]
    for level in range(1, depth):
        fields = [{"name": one, "type": f"R{level - 1}"} for one in "ab"]
        types.append({"type": "record", "name": f"R{level}", "fields": fields})
    return types


SELF = [{"type": "record", "name": "S", "fields": [{"name": "s", "type": ["null", "S"]}]}]
NULLS = {"type": "array", "items": "null"}
MANY = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1"  # 2^63 - 1


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        (declared({"name": "x", "type": "R39"}, INPUT, NEXT, TAG, types=nested(40)), b""),
        (declared({"name": "x", "type": {"type": "array", "items": "R39"}}, INPUT, NEXT, TAG, types=nested(40)), b"\2"),
        (declared({"name": "x", "type": "S"}, INPUT, NEXT, TAG, types=SELF), b"\2" * 100_000 + b"\0"),
        (declared({"name": "x", "type": NULLS}, INPUT, NEXT, TAG), MANY),
        (declared({"name": "x", "type": NULLS}, INPUT, NEXT, TAG), b"\x80\x89\x7a" + b"\0"),
        (declared({"name": "x", "type": {"type": "fixed", "name": "F", "size": 2**60}}, INPUT, NEXT, TAG), b""),
        (declared({"name": "x", "type": {"type": "map", "values": "null"}}, INPUT, NEXT, TAG), MANY),
        (declared({"name": "x", "type": "bytes"}, INPUT, NEXT, TAG), MANY),
    ],
)  # fmt: skip
def test_a_declaration_that_stands_for_endless_work_is_refused(responder, recorder, text, extra):
    """Nested, recursive and empty types that a few bytes could keep a server busy with end in an Avro error."""
    parameters = extra + b"\4ab" + encode_string("fc1") + encode_string("t")
    _, error = read_answer(responder.respond(call(text, parameters)))
    assert error
    assert recorder.calls == []


def test_the_memory_of_clients_is_bounded(responder, recorder):
    """After many clients the first is asked again, the last is not, and we are never asked."""
    texts = [declared(INPUT, NEXT, TAG, doc=str(number)) for number in range(80)]
    parameters = b"\4ab" + encode_string("fc1") + encode_string("t")
    for text in texts:
        assert responder.respond(call(text, parameters)) == VOID
    assert len(responder._clients.fast_prefixes) == 65
    assert read_answer(responder.respond(call(None, parameters, client=protocol_hash(texts[0]))))[0] == "NONE"
    assert responder.respond(call(None, parameters, client=protocol_hash(texts[-1]))) == VOID
    assert responder.respond(call(None, parameters, client=PROTOCOL_HASH)) == VOID


def test_the_memory_of_long_declarations_is_bounded(responder, recorder):
    """Declarations that are long are forgotten sooner: together they hold no more text than a limit."""
    parameters = b"\4ab" + encode_string("fc1") + encode_string("t")
    for number in range(30):
        text = declared(INPUT, NEXT, TAG, doc=f"{number}" + "x" * 30_000)
        assert responder.respond(call(text, parameters)) == VOID
    kept = responder._clients._protocols.values()
    assert 5 <= len(kept) < 10
    assert sum(characters for _, characters in kept) <= 262_144
    assert len(responder._clients.fast_prefixes) == 1 + len(kept)


def test_an_error_is_one_line(responder):
    """What is quoted of a peer cannot break the line, turn it around or colour a terminal; letters stay as they are."""
    told = [read_answer(responder.respond(call(None, b"", client=PROTOCOL_HASH, name=name)))[1]
            for name in ("a\nb", "\x1b[31m", "\u202eab", "fünf")]  # fmt: skip
    assert all(text.isprintable() for text in told)
    assert r"'a\nb'" in told[0]
    assert "'fünf'" in told[3]


def test_a_result_of_the_wrong_type_is_an_internal_error(responder):
    """A handler whose answer does not fit the declaration becomes an Avro error, not half an answer."""
    match, error = read_answer(responder.respond(call(None, b"", client=PROTOCOL_HASH, name="describe")))
    assert match == "BOTH"
    assert error.startswith("internal error: TypeError")


@pytest.mark.parametrize("message", [b"", b"abc", b"\0" * 33, PROTOCOL_HASH + b"\4" + PROTOCOL_HASH + b"\0"])
def test_no_handshake_no_avro_answer(responder, message):
    """Bytes that are no handshake cannot be answered in Avro and are left to HTTP."""
    with pytest.raises(WireFormatError):
        responder.respond(message)


def test_a_server_that_asks_forever_is_given_up():
    """NONE after we have sent our protocol is an error, not an endless loop."""
    requestor = Requestor("10.0.0.1", 12345)
    none = HandshakeResponse("NONE", PROTOCOL_TEXT, PROTOCOL_HASH).encode()
    assert PROTOCOL_TEXT.encode() not in requestor.encode_forward_head(3)
    assert requestor.decode("forward", none) is SEND_AGAIN
    assert PROTOCOL_TEXT.encode() in requestor.encode_forward_head(3)
    with pytest.raises(ProtocolError, match=r"10\.0\.0\.1:12345"):
        requestor.decode("forward", none)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ProtocolError),
        (VOID + b"\0", ProtocolError),
        (VOID[:-1], ProtocolError),
        (b"\6\0\0\0", ProtocolError),
        (HandshakeResponse("CLIENT").encode() + b"\0\0", ProtocolError),
        (HandshakeResponse("CLIENT", "{}", b"?" * 16).encode() + b"\0\0", ProtocolError),
        (HandshakeResponse("CLIENT", declared(name="other"), b"?" * 16).encode() + b"\0\0", ProtocolError),
        (BOTH + b"\0\1\0" + encode_string("no"), RemoteError),
        (BOTH + b"\0\1\2" + encode_string("no"), ProtocolError),
    ],
)
def test_a_bad_answer_is_an_error_that_names_the_peer(answer, error):
    """Answers that cannot be read, or of another protocol, end in one error with host and port."""
    with pytest.raises(error) as caught:
        Requestor("10.0.0.1", 12345).decode("forward", answer)
    assert (caught.value.host, caught.value.port) == ("10.0.0.1", 12345)
