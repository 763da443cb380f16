"""The seal: any byte that changes in a record or its trace shows."""

import random
from pathlib import Path

import pytest
from energy_records import file_record

from harness.errors import BadInputError
from harness.records.check import check_file
from harness.records.manifest import TRACE, beside, broken_seals, content_sha256, describe, seal
from harness.records.store import read_record

EDITS = 1000


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good record with a power trace."""
    return file_record(tmp_path_factory.mktemp("filed"), frames=30)


def edited(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """One byte changed, taken away, put in, or changed places with its neighbour."""
    while True:
        at, kind = chance.randrange(len(data)), chance.choice(("flip", "delete", "insert", "swap"))
        if kind == "flip":
            new = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        elif kind == "delete":
            new = data[:at] + data[at + 1 :]
        elif kind == "insert":
            new = data[:at] + bytes([chance.randrange(256)]) + data[at:]
        else:
            new = data[:at] + data[at : at + 2][::-1] + data[at + 2 :]
        if new != data:
            return f"{kind} at {at}", new


def sound(path: Path) -> bool:
    """Does the record still stand as it was written, by form and by seal?"""
    try:
        audit = check_file(path)
    except BadInputError:
        return False
    return all(finding.passed is not False for finding in audit.findings if finding.rule in {"form", "seal"})


@pytest.mark.parametrize("which", ["record", "trace"])
def test_every_single_byte_counts(filed: Path, tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 random edits of one byte, in record and trace: all are found; untouched, both pass."""
    # The seal alone is looked at: what the other rules would find as well is left out.
    monkeypatch.setattr("harness.records.check._content", lambda _document, _path, findings: _said(findings))
    path = tmp_path / filed.name
    path.write_bytes(filed.read_bytes())
    beside(path, TRACE).write_bytes(beside(filed, TRACE).read_bytes())
    assert sound(path), "the control: untouched"
    victim = path if which == "record" else beside(path, TRACE)
    data, chance = victim.read_bytes(), random.Random(2026)
    unseen = []
    for _ in range(EDITS):
        what, new = edited(data, chance)
        victim.write_bytes(new)
        if sound(path):
            unseen.append(what)
    assert unseen == []
    victim.write_bytes(data)
    assert sound(path), "the control: put back"


def _said(findings):
    return type("Said", (), {"findings": tuple(findings)})()


def test_a_record_that_was_sealed_anew_passes_the_seal(filed: Path) -> None:
    """What a seal cannot show: whoever edits can seal again. Other rules must find that."""
    document = read_record(filed)
    document["metrics"]["ips"] *= 2
    assert broken_seals(document, filed)
    again = seal(document, {TRACE: beside(filed, TRACE)})
    assert broken_seals(again, filed) == []


def test_the_digest_leaves_itself_out_and_nothing_else(filed: Path) -> None:
    """Another digest of the trace gives another digest of the record; its own place does not count."""
    document = read_record(filed)
    digest = content_sha256(document)
    document["manifest"]["record_sha256"] = "anything"
    assert content_sha256(document) == digest
    document["manifest"]["files"][TRACE]["bytes"] += 1
    assert content_sha256(document) != digest


def test_a_trace_that_is_gone_hidden_or_no_file_is_named(filed: Path, tmp_path: Path) -> None:
    """Missing, a folder in its place, or there without standing in the manifest: one sentence each."""
    document = read_record(filed)
    path = tmp_path / filed.name
    assert broken_seals(document, path) == [f"{path.stem}.power.csv is not beside the record"]
    beside(path, TRACE).mkdir()
    assert broken_seals(document, path) == [f"{path.stem}.power.csv is not beside the record"]
    hidden = seal({**document, "energy": None})
    assert broken_seals(hidden, filed) == ["the power trace is not in the manifest: power.csv"]
    assert broken_seals(hidden, tmp_path / "other.json") == [], "the control: no energy, no trace"
    with pytest.raises(BadInputError, match="cannot be read"):
        describe(tmp_path / "nowhere")
