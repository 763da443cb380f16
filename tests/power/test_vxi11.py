"""The virtual analyzer's VXI-11 side: through pyvisa-py, and what it makes of malformed calls."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress

import pytest
import pyvisa

from power.virtual import vxi11_server
from power.virtual.device import PERSONAS, Device
from power.virtual.faults import Faults
from power.virtual.instrument import Instrument
from power.virtual.loads import Constant
from power.virtual.onc_rpc import MAX_RECORD, MalformedError, Xdr, opaque, read_record
from power.virtual.vxi11_server import MAX_WRITE
from tests.power.virtual_process import virtual_analyzers, visa

_LAST = 0x8000_0000
_CORE = 0x0607AF
_VALUE = ":NUM:NORM:NUM 1;ITEM1 P,1;:NUM:NORM:VAL?"


@pytest.fixture(scope="module")
def analyzer():
    """One analyzer for all tests that break nothing: its VISA resources."""
    with virtual_analyzers("--load", "constant:12.5") as resources:
        yield resources


def _connect(resource: str) -> socket.socket:
    port = int(re.search(r",(\d+)::", resource)[1])
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.settimeout(10)
    return connection


def _call(connection: socket.socket, procedure: int, arguments: bytes, *, program=_CORE, version=1, rpc=2) -> Xdr:
    """Send a call by hand, and give what follows the number of the reply."""
    body = struct.pack(">IIIIII", 7, 0, rpc, program, version, procedure) + b"\0" * 16 + arguments
    connection.sendall(struct.pack(">I", _LAST | len(body)) + body)
    with connection.makefile("rb") as stream:
        reply = Xdr(read_record(stream))
    assert (reply.unsigned(), reply.unsigned()) == (7, 1)
    return reply


def _accepted(connection: socket.socket, procedure: int, arguments: bytes = b"", **header) -> tuple[int, Xdr]:
    reply = _call(connection, procedure, arguments, **header)
    assert [reply.unsigned() for _ in range(3)] == [0, 0, 0]
    return reply.unsigned(), reply


def _link(connection: socket.socket, name: bytes = b"inst0", lock: int = 0) -> tuple[int, int]:
    _, reply = _accepted(connection, 10, struct.pack(">iII", 1, lock, 0) + opaque(name))
    error, link, _abort_port, size = (reply.unsigned() for _ in range(4))
    assert size == MAX_WRITE
    return error, link


def _write(connection: socket.socket, link: int, data: bytes, flags: int = 8) -> tuple[int, int]:
    _, reply = _accepted(connection, 11, struct.pack(">iIIi", link, 100, 0, flags) + opaque(data))
    return reply.unsigned(), reply.unsigned()


def _read(connection: socket.socket, link: int, size: int, *, flags=0, char=0, wait_ms=100) -> tuple[int, int, bytes]:
    _, reply = _accepted(connection, 12, struct.pack(">iIIIii", link, size, wait_ms, 0, flags, char))
    return reply.unsigned(), reply.unsigned(), reply.opaque(MAX_RECORD)


def test_it_is_the_same_device_as_on_the_raw_socket(analyzer):
    """What is set over VXI-11 shows on the raw socket, and both read the same power."""
    with visa(analyzer["vxi11"]) as vxi11, visa(analyzer["resource"]) as raw:
        vxi11.write(":RATE 50MS")
        assert float(raw.query(":RATE?")) == pytest.approx(0.05)
        vxi11.write(":RATE 100MS")
        assert float(raw.query(":RATE?")) == pytest.approx(0.1)
        time.sleep(0.25)
        assert vxi11.query(_VALUE).strip() == raw.query(_VALUE) == "1.2500E+01"


def test_a_block_with_line_feeds_in_it_comes_whole():
    """A block of big-endian numbers is read by its end mark, whatever bytes it holds; cut at line feeds it is not."""
    with virtual_analyzers("--persona", "n6705", "--load", "constant:12.5") as it, visa(it["vxi11"]) as session:
        session.write("INIT:ELOG (@1)")
        time.sleep(0.3)
        assert session.query_binary_values("FETC:ELOG? 200,(@1)", datatype="f", is_big_endian=True) == [2.5] * 200


def test_a_message_in_parts_is_one_message(analyzer):
    """Writes without the END flag are collected; nothing is answered before the last one."""
    with _connect(analyzer["vxi11"]) as connection:
        error, link = _link(connection)
        assert not error
        assert _write(connection, link, b"*ID", flags=0) == (0, 3)
        assert _read(connection, link, 100)[0] == 15
        assert _write(connection, link, b"N?\n") == (0, 3)
        assert _read(connection, link, 8) == (0, 1, b"YOKOGAWA")
        assert _read(connection, link, 100, flags=128, char=ord("1")) == (0, 2, b",WT31")
        assert _read(connection, link, 100) == (0, 4, b"0E,VIRTUAL,F1.04\n")


def test_clear_empties_both_queues(analyzer):
    """After device_clear neither a reply nor half a command is left; without it the reply is."""
    with _connect(analyzer["vxi11"]) as connection:
        _, link = _link(connection)
        _write(connection, link, b"*IDN?\n")
        _write(connection, link, b"*OPC?\n")
        assert _read(connection, link, 8) == (0, 1, b"YOKOGAWA")
        status = struct.pack(">iiII", link, 0, 0, 0)
        _write(connection, link, b"*OPC", flags=0)
        assert _accepted(connection, 15, status)[1].unsigned() == 0
        _write(connection, link, b"?\n")
        assert _read(connection, link, 100)[0] == 15
        _write(connection, link, b"*OPC?\n")
        assert _read(connection, link, 100) == (0, 4, b"1\n")


def test_status_byte_tells_of_a_waiting_reply(analyzer):
    """Bit 4 of the status byte is set while a reply waits, and only then (IEEE 488.2, 11.2.1.2)."""
    with visa(analyzer["vxi11"]) as session:
        assert session.read_stb() == 0
        session.write("*OPC?")
        assert session.read_stb() == 16
        assert session.read() == "1\n"
        assert session.read_stb() == 0


@pytest.mark.parametrize("procedure", [14, 16, 17, 18, 19, 20, 22, 25, 26])
def test_what_it_cannot_do_is_said(analyzer, procedure):
    """Locks, triggers and interrupts are answered with error 8; a procedure that does not exist is unavailable."""
    with _connect(analyzer["vxi11"]) as connection:
        status, reply = _accepted(connection, procedure)
        assert (status, reply.unsigned()) == (0, 8)
        assert _accepted(connection, 99)[0] == 3
        assert _accepted(connection, 0)[0] == 0


def test_wrong_calls_get_their_error(analyzer):
    """Each wrong call has the error of its kind, and the connection goes on."""
    with _connect(analyzer["vxi11"]) as connection:
        assert _accepted(connection, 10, program=1)[0] == 1
        assert _accepted(connection, 10, version=2)[0] == 2
        assert _accepted(connection, 11, b"\0\0")[0] == 4
        assert _call(connection, 10, b"", rpc=3).unsigned() == 1
        assert _link(connection, b"inst7")[0] == 3
        assert _link(connection, lock=1)[0] == 8
        assert _write(connection, 77, b"x")[0] == 4
        assert _read(connection, 77, 10)[0] == 4
        _, link = _link(connection)
        assert _write(connection, link, b"x" * (MAX_WRITE + 1)) == (5, 0)
        for _ in range(4):
            assert _write(connection, link, b"x" * MAX_WRITE, flags=0) == (0, MAX_WRITE)
        assert _write(connection, link, b"x", flags=0) == (5, 0)
        assert _accepted(connection, 23, struct.pack(">i", link))[1].unsigned() == 0
        assert _accepted(connection, 23, struct.pack(">i", link))[1].unsigned() == 4
        assert [_link(connection)[0] for _ in range(17)] == [0] * 16 + [9]


@pytest.mark.parametrize(
    "record",
    [
        struct.pack(">I", _LAST | 0x7FFF_FFFF) + b"x" * 100,
        struct.pack(">I", 0) * 10,
        (struct.pack(">I", 40_000) + b"x" * 40_000) * 2,
        struct.pack(">I", _LAST | 8) + b"x" * 8,
        struct.pack(">I", _LAST | 40) + struct.pack(">10I", 1, 1, *[0] * 8),
    ],
    ids=["2 GiB announced", "empty fragments", "fragments for ever", "no header", "a reply, not a call"],
)
def test_a_malformed_record_ends_the_connection(analyzer, record):
    """It is refused at once and the next client is served; a whole record before it was answered."""
    with _connect(analyzer["vxi11"]) as connection:
        assert _link(connection)[0] == 0
        try:
            connection.sendall(record)
            assert connection.recv(100) == b""
        except ConnectionError:
            pass  # it hung up while more was on its way
    with visa(analyzer["vxi11"]) as session:
        assert session.query("*OPC?") == "1\n"


def test_a_record_is_bounded():
    """No more is read than is allowed, and what ends early is said to."""

    class Endless:
        taken = 0

        def read(self, size):
            self.taken += size
            return (struct.pack(">I", 30_000) if size == 4 else b"x" * size)[:size]

    stream = Endless()
    with pytest.raises(MalformedError, match="more than"):
        read_record(stream)
    assert stream.taken <= MAX_RECORD + 12
    with pytest.raises(MalformedError, match="5 bytes expected, 2"):
        Xdr(struct.pack(">I", 5) + b"xy").opaque(10)
    with pytest.raises(MalformedError, match="11 bytes where 10"):
        Xdr(struct.pack(">I", 11) + b"x" * 11).opaque(10)


def test_one_session_at_a_time():
    """With --single-session a second client is turned away on both sides, and let in when the first has gone."""
    with virtual_analyzers("--single-session") as it:
        with visa(it["vxi11"]) as first:
            assert first.query("*OPC?") == "1\n"
            with pytest.raises(Exception, match="error creating link: 9"), visa(it["vxi11"]):
                pass
            with visa(it["resource"]) as second, pytest.raises((pyvisa.Error, OSError)):
                second.query("*OPC?")
        with visa(it["resource"]) as second:
            assert second.query("*OPC?") == "1"


@pytest.fixture
def impatient(monkeypatch):
    """A server in this process that waits 0.2 s for the rest of a record; gives its resource."""
    monkeypatch.setattr(vxi11_server, "_RECORD_S", 0.2)
    device = Device(PERSONAS["wt300e"](Instrument(Constant(12.5))), Faults())
    with vxi11_server.Vxi11Server(("127.0.0.1", 0), device) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"TCPIP::127.0.0.1,{server.port}::inst0::INSTR"
        server.shutdown()


@pytest.mark.parametrize("sent", [b"\x80", b"\x80\0\0\x28", b"\x80\0\0\x28" + b"\0" * 39], ids=["mark", "head", "body"])
def test_half_a_record_does_not_hold_a_connection(impatient, sent):
    """A client that stops within a record is disconnected; one that is silent between records is not."""
    with _connect(impatient) as patient, _connect(impatient) as connection:
        assert _link(patient)[0] == 0
        connection.sendall(sent)
        assert connection.recv(10) == b""
        time.sleep(0.3)
        assert _link(patient)[0] == 0


def test_connections_are_bounded(impatient):
    """The thirty-third connection is closed, and there is room again when others have gone."""
    with ExitStack() as stack:
        for _ in range(32):
            assert _link(stack.enter_context(_connect(impatient)))[0] == 0
        with _connect(impatient) as refused:
            assert refused.recv(10) == b""
    give_up_s = time.monotonic() + 5
    while time.monotonic() < give_up_s:
        with _connect(impatient) as connection, suppress(MalformedError, ConnectionError):
            assert _link(connection)[0] == 0
            return
        time.sleep(0.02)
    pytest.fail("no room")
