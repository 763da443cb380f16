"""The schema: the file that others read is the form that we check."""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from benchmarks.audit.good_records import GOOD, first_layout
from harness.records.canonical import canonical, parse
from harness.records.schema import form_problems, json_schema
from harness.records.store import read_record

SCHEMAS = Path(__file__).parents[2] / "experiments" / "schema"
V1, V2 = (json.loads((SCHEMAS / f"run-record-v{version}.schema.json").read_text()) for version in (1, 2))
AGAIN = "iot-farm record schema > experiments/schema/run-record-v2.schema.json"


def test_the_file_is_the_schema_of_the_program():
    """The schema in the repository is the one that the program prints."""
    assert json_schema() == V2, AGAIN
    for schema in (V1, V2):
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", GOOD)
def test_good_records_fit_the_schema_of_their_version(tmp_path, name):
    """Each sort of record, by a validator of somebody else; neither schema takes records of the other version."""
    raw = parse(GOOD[name](tmp_path).path.read_bytes(), "x")
    own, other = (V1, V2) if raw["version"] == 1 else (V2, V1)
    assert [error.message for error in Draft202012Validator(own).iter_errors(raw)] == []
    assert list(Draft202012Validator(other).iter_errors(raw))


WRONG = {
    "an unknown field": lambda d: d.update(ips=1.0),
    "a field of a frame": lambda d: d["frames"][0].update(latency_s=1.0),
    "replies as text": lambda d: d["frames"][0].update(replies="1"),
    "replies below 0": lambda d: d["frames"][0].update(replies=-1),
    "a frame of no whole number": lambda d: d["frames"][0].update(frame=0.5),
    "a time below 0": lambda d: d["frames"][0].update(sent_s=-0.1),
    "an error as text": lambda d: d["frames"][0].update(error="0"),
    "a status of its own": lambda d: d["verdict"].update(status="GOOD"),
    "no reasons": lambda d: d["verdict"].pop("reasons"),
    "another kind of target": lambda d: d["target"].update(kind="cloud"),
    "no device": lambda d: d["target"].update(devices=0),
    "a seed below 0": lambda d: d["model"].update(seed=-1),
    "a figure as text": lambda d: d["metrics"].update(ips="5"),
    "a figure that is None": lambda d: d["metrics"].update(ips=None),
    "a tolerance of 0": lambda d: d.update(tolerance=0),
    "frames that are no list": lambda d: d.update(frames={}),
    "no frames": lambda d: d.pop("frames"),
    "measured as a number": lambda d: d.update(measured=1),
    "a local time": lambda d: d.update(started_utc="2026-02-03T04:05:06"),
    "a run without a name": lambda d: d.update(run=""),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("make", ["farm", "v1"])
def test_the_program_and_the_schema_refuse_the_same(tmp_path, make, what):
    """What breaks the form is found by our own check and by a validator with the schema's file, in both layouts."""
    path = GOOD[make](tmp_path).path
    raw, read = parse(path.read_bytes(), "x"), read_record(path)
    schema = V1 if raw["version"] == 1 else V2
    assert form_problems(read) == []
    for document in (raw, read):
        WRONG[what](document)
    assert form_problems(read)
    assert list(Draft202012Validator(schema).iter_errors(raw))


def test_the_older_schema_knows_what_came_later(tmp_path):
    """The control: each field that version 2 brought is refused by the schema of version 1, and missed by that of 2."""
    raw = parse(first_layout(tmp_path).path.read_bytes(), "x")
    assert not {"ended_utc", "kind", "series", "declared", "devices", "manifest"} & raw.keys()
    newer = copy.deepcopy(raw) | {"version": 2}
    lacking = " ".join(error.message for error in Draft202012Validator(V2).iter_errors(newer))
    for name in ("ended_utc", "kind", "series", "declared", "devices", "manifest"):
        assert repr(name) in lacking
    assert parse(canonical(raw), "x") == raw
