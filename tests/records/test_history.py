"""Records of the first layout: still read, still checked."""

import json
from pathlib import Path

import pytest
from energy_records import file_record

from benchmarks.audit.good_records import Case, first_layout
from harness.errors import BadInputError
from harness.records.check import check_file
from harness.records.history import READABLE, upgraded
from harness.records.manifest import TRACE, beside
from harness.records.record import VERSION
from harness.records.store import document_of, read_record, read_records


@pytest.fixture
def old(tmp_path: Path) -> Case:
    """A record of version 1, as the program of that time laid it out."""
    case = first_layout(tmp_path)
    case.path.write_text(json.dumps(case.document, indent=1) + "\n")
    return case


def test_an_old_record_is_read_in_the_present_layout(old: Case) -> None:
    """What it had is where readers look for it; what it had not is None, never made up."""
    found = read_record(old.path)
    assert (found["version"], found["kind"], found["series"], found["declared"]) == (1, "quick", None, None)
    assert (found["ended_utc"], found["manifest"], found["verdict"]["broken_off"]) == (None, None, "")
    (device,) = found["devices"]
    assert (device["name"], device["roles"], device["after"]) == ("initial", ["initial"], None)
    assert device["before"] == old.document["environment"]
    assert "environment" not in found
    assert found["frames"] == old.document["frames"]
    assert [path for path, _ in read_records(old.folder)] == [old.path]


def test_an_old_record_is_checked(old: Case) -> None:
    """VALID by its raw frames; what its layout did not keep is told as not known, not as kept."""
    audit = check_file(old.path)
    assert (audit.status, audit.reasons) == ("VALID", ())
    assert audit.figures["ips"] == old.document["metrics"]["ips"]
    told = {finding.rule: finding.passed for finding in audit.findings}
    assert [told[rule] for rule in ("seal", "devices", "governor", "throttled")] == [None] * 4
    old.document["frames"][3]["error"] = 0.5
    old.path.write_text(json.dumps(old.document))
    assert check_file(old.path).status == "INVALID", "the control"


def test_the_energy_of_an_old_record_is_made_again(tmp_path: Path) -> None:
    """Its trace lies beside it, without a manifest; a changed one shows all the same."""
    path = file_record(tmp_path)
    document = read_record(path)
    document["environment"] = document["devices"][0]["before"]
    for name in ("ended_utc", "kind", "series", "declared", "devices", "manifest"):
        del document[name]
    del document["verdict"]["broken_off"]
    path.write_text(json.dumps({**document, "version": 1}))
    assert "energy_total_j" in check_file(path).figures
    trace = beside(path, TRACE)
    trace.write_text(trace.read_text().replace(",17.9", ",16.9"))
    assert check_file(path).status == "INVALID"


def test_a_single_device_of_old(old: Case) -> None:
    """The machine that measured is called host there."""
    document = {**old.document, "target": {"name": "host", "kind": "host", "devices": 1, "device": "cpu"}}
    assert upgraded(document)["devices"][0]["name"] == "host"


@pytest.mark.parametrize("version", [0, 3, "1", None, True, 1.5, [1], {"1": 2}])
def test_other_versions_are_refused(old: Case, version: object) -> None:
    """Each with the versions that this program reads."""
    data = json.dumps({**old.document, "version": version}).encode()
    with pytest.raises(BadInputError, match="is a run record of version") as caught:
        document_of(data, "x.json")
    assert caught.value.hint == "this program reads versions 1 and 2"
    assert READABLE == (1, VERSION)


def test_an_old_record_lacks_nothing_silently(old: Case) -> None:
    """One of its fields missing is named; the present layout's fields are not asked of it."""
    del old.document["environment"]
    with pytest.raises(BadInputError, match="lacks environment"):
        document_of(json.dumps(old.document).encode(), "x.json")
