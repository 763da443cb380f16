"""Paths and addresses that must not leave the machine, and what may."""

from __future__ import annotations

import json
import zipfile

import pytest
from energy_records import file_record
from hypothesis import given
from hypothesis import strategies as st

from harness.records.canonical import canonical, parse
from harness.records.check import check_file
from harness.records.entries.pack import private_of, write_zip
from harness.records.entries.unpack import entries_in_zip
from harness.records.entries.writer import NewPoint, write_point
from harness.records.manifest import TRACE, beside, seal
from harness.records.privacy import Private, private_text


@pytest.mark.parametrize(
    "text",
    [
        "192.168.1.3",
        "192.168.1.3:12345",
        "node at 10.0.0.1.",
        "fe80::1",
        "2001:db8::7",
        "/home/alice/CK",
        "/home/alice/My Documents/x",
        "PATH=/opt/alice/bin:/usr/bin",
        ". /home/alice/CK/local/env/env.sh\n",
        "file:///home/alice/x",
        "weights:/home/alice/w",
        "C:/Users/alice/CK",
        "TCPIP::10.0.0.7::INSTR",
        "eth0_10.0.0.7",
        "C:\\Users\\alice\\CK",
    ],
)
def test_what_is_private(text):
    """Addresses and absolute paths are found, alone and inside of other text, as values and as keys."""
    assert private_text({"a": [text]})
    assert private_text({text: 1})
    cleaned = Private().text(text)
    assert "alice" not in cleaned
    assert not private_text(cleaned)


@pytest.mark.parametrize(
    "text",
    ["127.0.0.52:12345", "::1", "0.0.0.0", "2.15.0", "1/s", "lib/x.py", "https://doi.org/10.1145/1", "12:34:56", "a/b"],
)
def test_what_is_not(text):
    """Loopback addresses, versions, relative paths, links and times of day stay as they are."""
    assert Private().text(text) == text


def test_equal_stays_equal():
    """One text has one stand-in everywhere, two have two: a farm keeps its shape."""
    private = Private()
    cleaned = private.document({"a": ["10.0.0.1:1", "10.0.0.2:1"], "10.0.0.1": "/x/y"})
    assert cleaned == {"a": ["address-1:1", "address-2:1"], "address-1": "path-1"}
    assert private.found == {"10.0.0.1": "address-1", "10.0.0.2": "address-2", "/x/y": "path-1"}


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text()), st.lists, max_leaves=8))
def test_nothing_private_is_left(document):
    """What was cleaned once has nothing left to clean, and cleaning leaves what is no text alone."""
    cleaned = Private().document(document)
    assert json.dumps(Private().document(cleaned)) == json.dumps(cleaned)


def test_a_record_is_sealed_anew(tmp_path):
    """Records in a cleaned archive still hold, trace and all; on request they go as they are, which is the control."""
    record = file_record(tmp_path / "results")
    document = parse(record.read_bytes(), "r")
    document["options"]["weights"] = "/home/alice/weights"
    record.write_bytes(canonical(seal(document, {TRACE: beside(record, TRACE)})))
    runs = [{"run": {"execution_time": 0.2}}]
    choices = {"env": {"CK_TARGET_PATH": "/home/alice/CK"}, "ip": "192.168.1.3"}
    entry, _ = write_point(tmp_path / "local", "e", NewPoint(runs, choices=choices), meta={}, records=[record])
    assert set(private_of(entry)) >= {"/home/alice/CK", "192.168.1.3"}
    write_zip([entry], tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert not any(b"alice" in archive.read(name) for name in archive.namelist())
    (unpacked,) = entries_in_zip(tmp_path / "a.zip", tmp_path / "into")
    assert check_file(unpacked / "iot-farm" / record.name).status == check_file(record).status
    assert write_zip([entry], tmp_path / "b.zip", private=True) == {}
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert any(b"alice" in archive.read(name) for name in archive.namelist())


def test_a_cleaned_record_has_its_own_digest():
    """The digest of a record that was cleaned is that of what is left, with its files described anew."""
    document = {"target": "10.0.0.1", "manifest": {"files": {"power.csv": {"bytes": 1}}, "record_sha256": "x"}}
    cleaned = Private().record(document, {"power.csv": b"abc"})
    assert cleaned["target"] == "address-1"
    assert cleaned["manifest"]["files"]["power.csv"]["bytes"] == 3
    assert cleaned["manifest"]["record_sha256"] not in ("x", "")
    assert document["target"] == "10.0.0.1"
