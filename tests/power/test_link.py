"""The link to an instrument: terminators, blocks, peers that go away or answer late, on each transport."""

from __future__ import annotations

import socket
import time

import pytest

from power.errors import LinkError, ReplyError
from power.link import VisaLink
from power.link_guard import PeerClosedError, WatchedSocket
from tests.power.small_instruments import hislip_instrument, listening, raw_instrument, serial_instrument
from tests.power.virtual_process import virtual_analyzers, visa

IDENTITY = b"ACME,METER,1,2"
TRANSPORTS = ["resource", "vxi11"]


@pytest.fixture(scope="module")
def analyzer():
    """An analyzer without faults: its resources."""
    with virtual_analyzers() as resources:
        yield resources


def _identify(end: bytes):
    return lambda command: IDENTITY + end if command == b"*IDN?" else b""


@pytest.fixture
def link():
    """Makes open links, and closes them."""
    links = []

    def make(resource: str, **settings) -> VisaLink:
        links.append(VisaLink(resource, **settings))
        links[-1].open()
        return links[-1]

    yield make
    for each in links:
        each.close()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_terminators_change_after_opening(link, end):
    """An instrument that wants another terminator is understood once it is set, and not before."""
    with raw_instrument(_identify(end.encode()), end.encode()) as resource:
        wrong = "\r" if end == "\n" else "\n"
        meter = link(resource, read_termination=wrong, write_termination=wrong, timeout_s=0.2)
        with pytest.raises(ReplyError) as caught:
            meter.query("*IDN?")
        assert caught.value.cause == "timeout"
        meter.reopen()
        meter.terminators(end, end)
        assert meter.query("*IDN?") == IDENTITY
        meter.reopen()
        assert meter.query("*IDN?") == IDENTITY


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reply_left_over_answers_no_later_question(analyzer, link, transport):
    """A second reply is told before the next question goes out; read plainly, it answers that question."""
    meter = link(analyzer[transport])
    meter.write("*OPC?")
    time.sleep(0.05)
    with pytest.raises(ReplyError) as caught:
        meter.query("*IDN?")
    assert caught.value.cause == "duplicate"
    assert meter.query("*IDN?").startswith(b"YOKOGAWA")
    with visa(analyzer[transport]) as plain:
        plain.write("*OPC?")
        assert plain.query("*IDN?").strip() == "1"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_ends_is_noticed(link, transport):
    """The end of a connection is told as one, not as silence, and the link opens again; silence is a timeout."""
    with virtual_analyzers("--fault", "eof:after=1", "--fault", "rst:after=2", "--fault", "mute:after=3") as it:
        meter = link(it[transport])
        assert meter.query(":NUM:NORM:VAL?")
        for cause in ("eof", "reset"):
            with pytest.raises(LinkError) as lost:
                meter.query(":NUM:NORM:VAL?")
            assert lost.value.cause == cause
            assert it[transport] in lost.value.message
            meter.reopen()
        with pytest.raises(ReplyError) as silent:
            meter.query(":NUM:NORM:VAL?")
        assert silent.value.cause == "timeout"
        meter.resynchronise()
        assert meter.query("*OPC?") == b"1"


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        (lambda _connection: None, "hung up at once"),
        (lambda connection: connection.recv(4096), "hung up at once"),
        (lambda connection: connection.recv(4096) and time.sleep(5), "nobody answers in 2 s"),
    ],
    ids=["hangs up", "hangs up after the greeting", "says nothing"],
)
def test_no_vxi11_instrument(link, serve, message):
    """A port that hangs up as VXI-11 says hello is refused for that, and so is one that says nothing."""
    with listening(serve) as port, pytest.raises(LinkError, match=message) as caught:
        link(f"TCPIP::127.0.0.1,{port}::inst0::INSTR")
    assert caught.value.hint


def test_a_watched_socket_tells_its_end():
    """It raises at the end of the stream and where no answer comes; a plain socket gives nothing, and waits."""
    ours, theirs = socket.socketpair()
    plain = ours.dup()
    watched = WatchedSocket(ours.family, ours.type, ours.proto, fileno=ours.detach())
    theirs.sendall(b"x")
    assert watched.recv(10) == b"x"
    watched.patience_s = 0.01
    with pytest.raises(TimeoutError):
        watched.sendall(b"?")
    assert watched.silent
    theirs.close()
    with pytest.raises((PeerClosedError, ConnectionResetError)):
        watched.recv(10)
    plain.close()
    watched.close()


def test_closing_one_link_leaves_the_others(analyzer, link):
    """Two instruments in one process do not close each other; a third party may not open one of theirs."""
    first, second = link(analyzer["resource"]), link(analyzer["vxi11"])
    with pytest.raises(LinkError, match="open already in this process"):
        VisaLink(analyzer["vxi11"]).open()
    first.close()
    assert second.query("*OPC?") == b"1"
    first.open()
    second.reopen()
    assert first.query("*OPC?") == b"1"


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"#14ab\ncX\n", "long"),
        (b"7.5\n", "garbage"),
        (b"#0ab\n", "garbage"),
        (b"#2xyab\n", "garbage"),
        (b"#14abc", "timeout"),
    ],
)
def test_blocks_on_a_raw_socket(link, sent, cause):
    """A block comes whole with line feeds in it, and one that is not whole is refused; the next query is in step."""
    replies = {b"BLOCK?": sent, b"GOOD?": b"#14ab\nc\n", b"*OPC?": b"1\n"}
    with raw_instrument(lambda command: replies[command]) as resource:
        meter = link(resource, timeout_s=0.3)
        assert meter.query_block("GOOD?") == b"#14ab\nc"
        with pytest.raises(ReplyError) as caught:
            meter.query_block("BLOCK?")
        assert caught.value.cause == cause
        meter.resynchronise()
        assert meter.query("*OPC?") == b"1"


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("TCPIP::127.0.0.1::9::SOCKET", "refuses connections"),
        ("TCPIP::127.0.0.1,9::inst0::INSTR", "refuses connections"),
        ("TCPIP::127.0.0.1::hislip0,9::INSTR", "cannot be opened"),
        ("TCPIP::127.0.0.1::99999::SOCKET", "cannot be opened"),
        ("TCPIP::127.0.0.1,x::inst0::INSTR", "cannot be opened"),
        ("bogus::words", "cannot be opened"),
        ("ASRL/dev/no-such-port::INSTR", "cannot be opened"),
    ],
)
def test_nobody_there(link, resource, message):
    """A closed port and a malformed name are one line that names the resource, and a way out."""
    with pytest.raises(LinkError, match=message) as caught:
        link(resource).query("*IDN?")
    assert resource in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_wrong_device_name_and_busy_instrument(link):
    """VXI-11's refusals are told in words: no such name, no free session."""
    with virtual_analyzers("--single-session") as it:
        with pytest.raises(LinkError, match="no such device name"):
            link(it["vxi11"].replace("inst0", "gpib0,5"))
        link(it["resource"]).query("*OPC?")
        with pytest.raises(LinkError, match="no free session"):
            link(it["vxi11"])


def test_hislip(link):
    """HiSLIP: a query, a late reply that answers nothing else, and a server that goes away."""

    def answer(command: bytes) -> bytes | None:
        if command == b"LATE?":
            time.sleep(0.4)
        return {b"*IDN?": IDENTITY, b"LATE?": b"late", b"*OPC?": b"1", b"GONE?": None}[command]

    with hislip_instrument(answer) as resource:
        meter = link(resource, timeout_s=0.2)
        assert meter.query("*IDN?") == IDENTITY
        with pytest.raises(ReplyError) as late:
            meter.query("LATE?")
        assert late.value.cause == "timeout"
        time.sleep(0.4)
        assert meter.query("*OPC?") == b"1"
        with pytest.raises(LinkError) as gone:
            meter.query("GONE?")
        assert gone.value.cause == "eof"
        meter.reopen()
        assert meter.query("*IDN?") == IDENTITY


def test_serial(link):
    """A serial line, over a pseudo terminal: a query, a late reply thrown away, silence."""
    pytest.importorskip("serial")

    def answer(command: bytes) -> bytes:
        if command == b"LATE?":
            time.sleep(0.4)
        return {b"*IDN?": IDENTITY + b"\r\n", b"LATE?": b"late\r\n", b"*OPC?": b"1\r\n", b"MUTE?": b""}[command]

    with serial_instrument(answer) as resource:
        meter = link(resource, timeout_s=0.2)
        meter.terminators("\r\n", "\r\n")
        assert meter.query("*IDN?") == IDENTITY
        with pytest.raises(ReplyError) as late:
            meter.query("LATE?")
        assert late.value.cause == "timeout"
        time.sleep(0.4)
        with pytest.raises(ReplyError) as stale:
            meter.query("*OPC?")
        assert stale.value.cause == "duplicate"
        assert meter.query("*OPC?") == b"1"
        with pytest.raises(ReplyError):
            meter.query("MUTE?")
