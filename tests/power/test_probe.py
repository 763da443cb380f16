"""Probing an instrument: the dialogue, the profile, one reading, and every way in which it ends early."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from harness.cli.power_probe import probe as command
from harness.errors import BadInputError, FarmError, UserError
from power.probe import probe
from power.profile import shipped_profiles
from tests.power.small_instruments import raw_instrument
from tests.power.virtual_process import virtual_analyzers

PROFILES = shipped_profiles()
IDENTITY = b"ACME,ZX 81,1,2"


def _replies(replies: dict[bytes, bytes | None]):
    return lambda asked: replies.get(asked, b"")


@pytest.mark.parametrize("transport", ["resource", "vxi11"])
def test_a_known_instrument_is_read(transport):
    """The whole way: identity, profile, set-up, one reading; and that it is virtual is said."""
    with virtual_analyzers("--load", "constant:12.5") as it:
        found = probe(it[transport], PROFILES)
        printed = CliRunner().invoke(command, [it[transport]])
        document = json.loads(CliRunner().invoke(command, [it[transport], "--json"]).output)
    assert found.error is None
    assert [exchange.sent for exchange in found.dialogue] == [
        "open", r"*IDN?\n", "looked for a profile", "set up", "read",
    ]  # fmt: skip
    assert found.info.profile == "yokogawa-wt300e"
    assert found.reading.power_w == pytest.approx(12.5)
    assert printed.exit_code == 0
    assert r"*IDN?\n                -> YOKOGAWA,WT310E,VIRTUAL,F1.04" in printed.output
    assert "power now: 12.500 W (virtual, not measured)" in printed.output
    assert document["power_w"] == pytest.approx(12.5)
    assert (document["measured"], document["error"], document["terminator"]) == (False, None, r"\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_terminator_is_tried(end):
    """The instrument is understood with its own terminator, whichever of the three it is; the others are in sight."""
    with raw_instrument(_replies({b"*IDN?": IDENTITY + end.encode()}), end.encode()) as resource:
        found = probe(resource, PROFILES)
    assert found.identity == IDENTITY.decode()
    assert found.terminator == end.encode("unicode_escape").decode()
    asked = [exchange.sent for exchange in found.dialogue if exchange.sent.startswith("*IDN?")]
    assert asked == [r"*IDN?\n", r"*IDN?\r\n", r"*IDN?\r"][: ["\n", "\r\n", "\r"].index(end) + 1]
    assert all(exchange.problem for exchange in found.dialogue if exchange.received == "")


def test_an_unknown_instrument_gets_the_way_to_a_profile(tmp_path):
    """Without a profile the pattern to write is told; with a profile that has this pattern it is read."""
    replies = {b"*IDN?": IDENTITY + b"\n", b"MEAS:POW?": b"4.2E+00\n"}
    with raw_instrument(_replies(replies)) as resource:
        refused = CliRunner().invoke(command, [resource])
        assert isinstance(refused.exception, FarmError)
        assert "ACME,ZX 81,1,2, for which there is no profile" in refused.exception.message
        pattern = refused.exception.hint.partition("match = ")[2].partition(" and the")[0]
        file = tmp_path / "mine.toml"
        lines = [
            'name = "mine"', 'description = "Mine"', 'source = "Me"', f"match = {pattern}", 'resource = "x::y"',
            'read = "MEAS:POW?"', "fields = { power_w = 0 }", r"number = '\d\.\d+E\+\d\d'", "update_s = 0.1",
            'kind = "point"', "limits = { min_w = 0, max_w = 10 }",
        ]  # fmt: skip
        file.write_text("\n".join(lines), encoding="utf-8")
        read = CliRunner().invoke(command, [resource, "--power-profile", str(file)])
    assert read.exception is None
    assert "profile: mine (Mine)" in read.output
    assert "power now: 4.200 W\n" in read.output


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ({}, r"does not say who it is: no answer to \*IDN\?"),
        ({b"*IDN?": b"7.5\n"}, "does not say who it is: it sends 7.5"),
        ({b"*IDN?": b"\xff\xfe,x\n"}, r"it sends \\xff\\xfe,x"),
        ({b"*IDN?": None}, "closed by the other side"),
        ({b"*IDN?": b"CHROMA,66202,1,1\n", b"SYST:ERR?": b"0,ok\n"}, "gives no reading"),
        ({b"*IDN?": b"CHROMA,66202,1,1\n", b"SYST:ERR?": b"-1,no\n"}, "reports an error after its set-up"),
    ],
    ids=["silent", "a number", "no ASCII", "hangs up", "no reading", "error queue"],
)
def test_what_can_be_wrong_with_an_instrument(replies, message):
    """Each ends with one line that names the resource, exit code 3, and the dialogue up to there."""
    with raw_instrument(_replies(replies)) as resource:
        result = CliRunner().invoke(command, [resource])
        assert isinstance(result.exception, FarmError)
        assert resource in result.exception.message
        with pytest.raises(UserError, match=message):
            raise result.exception
    assert result.exception.exit_code == 3
    assert result.exception.hint
    assert result.output.startswith("open                   -> done\n*IDN?\\n")


@pytest.mark.parametrize(
    ("resource", "message", "kind"),
    [
        ("TCPIP::127.0.0.1::9::SOCKET", "refuses connections", FarmError),
        ("TCPIP::127.0.0.1,9::inst0::INSTR", "refuses connections", FarmError),
        ("bogus::words", "cannot be opened", FarmError),
        ("nonsense", "is no power meter", BadInputError),
    ],
)
def test_what_can_be_wrong_with_a_resource(resource, message, kind):
    """A closed port and a malformed name are told as such, and --json has them too."""
    result = CliRunner().invoke(command, [resource])
    assert isinstance(result.exception, kind)
    assert message in result.exception.message
    assert resource in result.exception.message
    if kind is FarmError:
        document = json.loads(CliRunner().invoke(command, [resource, "--json"]).output)
        assert message in document["error"]
        assert document["power_w"] is None


@pytest.mark.parametrize("transport", ["resource", "vxi11"])
def test_a_busy_instrument(transport):
    """An instrument that serves one client is told to be in use while another has it, and is read after that."""
    with virtual_analyzers("--single-session") as it:
        with raw_client(it["resource"]):
            busy = probe(it[transport], PROFILES)
        # The instrument has to see the end of the other client first, and turns others away until it does.
        until_s = time.monotonic() + 10
        while (free := probe(it[transport], PROFILES)).error is not None and time.monotonic() < until_s:
            time.sleep(0.05)
    assert busy.error is not None
    assert "another program" in busy.error.hint or "other program" in busy.error.hint
    assert free.error is None


def raw_client(resource: str):
    """Another program that holds the instrument."""
    import socket

    connection = socket.create_connection(("127.0.0.1", int(resource.split("::")[2])), timeout=5)
    connection.sendall(b"*OPC?\n")
    assert connection.recv(10) == b"1\n"
    return connection


def test_the_virtual_meter_can_be_probed():
    """A meter that is no VISA resource is opened and read too."""
    result = CliRunner().invoke(command, ["virtual"])
    assert result.exception is None
    assert "(virtual, not measured)" in result.output
