"""The checker: what it says of records that are no plain good ones, and that no file can make it fail."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from energy_records import file_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_records import environment, run_record, steady_frames

from harness.errors import BadInputError
from harness.metrics import METRICS
from harness.node import statistics as node_statistics
from harness.records.canonical import canonical
from harness.records.check import check_file, check_record
from harness.records.environment import UNKNOWN
from harness.records.manifest import TRACE, beside, seal
from harness.records.record import Verdict
from harness.records.rules_nodes import KEPT_TIMES
from harness.records.store import read_record


def document(**options):
    """A sealed good record as plain data, as a file gives it back."""
    return json.loads(canonical(seal(run_record(**options).to_document())))


def said(audit):
    """Rule -> what was said."""
    return {finding.rule: (finding.passed, finding.detail) for finding in audit.findings}


def again(found, **changes):
    """The same record with other fields, sealed anew."""
    return seal({**copy.deepcopy(found), **changes})


# What passes


@pytest.mark.parametrize("options", [{}, {"device": "cpu", "devices": 1, "target": "host"}, {"devices": 11}])
def test_a_consistent_record_is_valid(options):
    """Farms and single devices; every figure handed on is a known metric, equal to what is stored."""
    found = document(**options)
    audit = check_record(found)
    assert (audit.status, audit.reasons) == ("VALID", ())
    assert audit.figures.keys() <= METRICS.keys()
    assert audit.figures == pytest.approx({name: found["metrics"][name] for name in audit.figures}, rel=1e-12)


def test_a_single_gpu_may_differ_more():
    """1e-5 is right for a GPU against the CPU's reference, and for nothing else."""
    found = document(device="gpu", devices=1, target="host")
    frames = [{**frame, "error": 5e-6} for frame in found["frames"]]
    metrics = {**found["metrics"], "largest_error": 5e-6}
    gpu = again(found, frames=frames, metrics=metrics, tolerance=1e-5)
    assert check_record(gpu).status == "VALID"
    cpu = again(gpu, target={**found["target"], "device": "cpu"})
    assert check_record(cpu).status == "INVALID"


def test_the_open_loop_may_drop_frames():
    """Frames at their due times, some dropped between: VALID, and the closed loop may not."""
    step_s = 0.25
    frames = steady_frames(30, step_s)
    sent = [replace(frame, sent_s=at * step_s, verified_s=(at + 1) * step_s)
            for frame, at in zip(frames[:20], [n + n // 2 for n in range(20)], strict=True)]  # fmt: skip
    found = document(frames=tuple(sent))
    metrics = {**found["metrics"], "rate_fps": 4.0, "frames_dropped": 9}
    del metrics["in_flight"]
    opened = again(found, metrics=metrics, options={**found["options"], "frames": 29, "rate_fps": 4.0})
    assert said(check_record(opened))["load"] == (True, "")
    assert check_record(opened).status == "VALID"
    closed = again(opened, metrics={**metrics, "in_flight": 1, "rate_fps": None} | {"in_flight": 1})
    del closed["metrics"]["rate_fps"]
    assert check_record(seal(closed)).status == "INVALID"


def test_a_long_run_is_no_lie():
    """Nodes keep the times of their latest frames only: a run of more frames than that is VALID."""
    assert KEPT_TIMES == node_statistics._KEPT_SAMPLES
    found = document(frames=steady_frames(KEPT_TIMES + 100, 0.001))
    for node in found["nodes"]:
        node["statistics"]["compute_s"] = node["statistics"]["compute_s"][-KEPT_TIMES:]
    assert check_record(seal(found)).status == "VALID"
    found["nodes"][0]["statistics"]["compute_s"].pop()
    assert check_record(seal(found)).status == "INVALID", "the control"


# What nobody can know


def test_what_is_unknown_is_told_and_is_no_reason():
    """A governor, throttling and a revision that nobody could read: notes, each naming the devices."""
    found = document()
    for device in found["devices"]:
        for look in (device["before"], device["after"]):
            look |= {"governor": UNKNOWN, "throttled": UNKNOWN, "revision": UNKNOWN}
    audit = check_record(seal(found))
    assert audit.status == "VALID"
    told = said(audit)
    assert told["governor"] == (None, "not known of 127.0.0.1, 127.0.0.2, 127.0.0.3 and 2 more")
    assert told["throttled"][0] is None
    assert told["software"] == (None, "the revision of the program is not known")
    assert any(note.startswith("governor: not known") for note in audit.notes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"packages": {"numpy": "1.26"}}, "mixed: numpy 1.26 and 2.0"),
        ({"revision": "0123456789ab+"}, "edited checkout"),
        ({"revision": "ffff"}, "revision 0123456789ab, ffff"),
    ],
)
def test_other_software_on_one_device_is_told(change, told):
    """Mixed packages, an edited checkout or two revisions are a note for readers."""
    found = document()
    found["devices"][2]["before"] = environment(**change)
    audit = check_record(seal(found))
    assert audit.status == "VALID"
    assert told in said(audit)["software"][1]


def test_throttling_of_an_earlier_run_is_not_held_against_this_one():
    """Bits 16 to 19 that were up before tell of the past; new ones and present ones do not."""
    found = document()
    for look in ("before", "after"):
        found["devices"][1][look]["throttled"] = 0x50000
    assert said(check_record(seal(found)))["throttled"] == (True, "")
    found["devices"][1]["after"]["throttled"] = 0x50005
    passed, detail = said(check_record(seal(found)))["throttled"]
    assert passed is False
    assert "127.0.0.2: under-voltage" in detail
    assert "127.0.0.2: throttled" in detail


@pytest.mark.parametrize(("period", "passed"), [(0.05, True), (0.35, None)])
def test_an_unstable_rate_is_told_with_a_remedy(period, passed):
    """Ten batches whose rate varies by more than 10 % give a note that says what to do; steady ones pass."""
    frames, now = [], 0.0
    for frame in steady_frames(200, 0.1):
        step = 0.1 * (1 + period * (1 if frame.frame // 20 % 2 else -1))
        frames.append(replace(frame, sent_s=now, verified_s=now + step))
        now += step
    audit = check_record(document(frames=tuple(frames)))
    assert audit.status == "VALID"
    assert said(audit)["stable"][0] is passed
    assert passed or "use --seconds 60" in said(audit)["stable"][1]


# What is over before its time


def test_a_run_that_was_broken_off_shows_no_figure():
    """INCOMPLETE with the reason, whatever else is wrong; no figure is handed on."""
    found = document(verdict=Verdict(broken_off="block2 at 127.0.0.3:12345 is down"))
    audit = check_record(found)
    assert audit.status == "INCOMPLETE"
    assert audit.reasons == ("the run was broken off: block2 at 127.0.0.3:12345 is down",)
    assert audit.figures == {}
    found["verdict"] = {"status": "INCOMPLETE", "reasons": [], "notes": [], "broken_off": ""}
    assert check_record(seal(found)).reasons == ("the run was broken off: nobody says why",)


def test_an_invalid_run_says_so_itself():
    """Reasons of the run stand beside those of the checker, and its figures are marked by the status alone."""
    audit = check_record(document(verdict=Verdict(reasons=("2 results of another run came in",))))
    assert (audit.status, audit.reasons) == ("INVALID", ("the run itself: 2 results of another run came in",))


# Energy


def test_energy_without_its_files_is_unknown(tmp_path):
    """As plain data alone the energy cannot be made again: it is not handed on, and it is no reason."""
    path = file_record(tmp_path)
    found = read_record(path)
    assert "energy_total_j" in check_file(path).figures
    audit = check_record(found)
    assert said(audit)["energy"] == (None, "the power trace is not at hand")
    assert not [name for name in audit.figures if name.startswith(("energy", "power", "edp"))]


# No file makes the checker fail

HOSTILE = (
    None, True, -1, 0, 10**400, 1e308, -0.0, "", "x" * 20_000, "\x00\x1b[2J\n", "NaN", [], [[]], {}, {"": {}},
    [None], ["a", 1], {"a": None}, 2**63, 1e-320, "2026-99-99T99:99:99Z", "../../etc/passwd",
)  # fmt: skip


def places(value, where=()):
    """Every place of a document."""
    if where:
        yield where
    inside = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, child in inside:
        yield from places(child, (*where, key))


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with energy, for spoiling."""
    return file_record(tmp_path_factory.mktemp("metered"), frames=30)


@given(st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_no_value_anywhere_makes_the_checker_fail(metered: Path, data: st.DataObject) -> None:
    """Any value in any place, sealed anew, in either layout: an audit with words, or one line of refusal."""
    spoilt = read_record(metered)
    untouched = copy.deepcopy(spoilt["manifest"])
    if data.draw(st.booleans()):
        spoilt = first_layout(spoilt)
    for _ in range(data.draw(st.integers(1, 2))):
        where = data.draw(st.sampled_from(sorted(places(spoilt), key=str)))
        holder = spoilt
        for key in where[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[where[-1]] = copy.deepcopy(data.draw(st.sampled_from(HOSTILE)))  # a list in itself is no JSON
        elif isinstance(holder, dict):
            del holder[where[-1]]
        else:
            holder.pop(where[-1])
    path = metered.parent / "spoilt.json"
    beside(path, TRACE).write_bytes(beside(metered, TRACE).read_bytes())
    try:
        manifest = spoilt.get("manifest")
        if isinstance(manifest, dict) and manifest == untouched:
            spoilt = seal(spoilt, {TRACE: beside(path, TRACE)})
        path.write_bytes(canonical(spoilt))
        audit = check_file(path)
    except BadInputError as error:
        assert "\n" not in error.message  # noqa: PT017  it may be refused, or not
        return
    assert audit.status in {"VALID", "INVALID", "INCOMPLETE"}
    assert (audit.status == "VALID") == (not audit.reasons)
    assert all(isinstance(value, int | float) for value in audit.figures.values())


def first_layout(found):
    """A record of version 2 as version 1 had it."""
    older = {key: value for key, value in found.items() if key not in
             {"ended_utc", "kind", "series", "declared", "devices", "manifest"}}  # fmt: skip
    verdict = {key: value for key, value in found["verdict"].items() if key != "broken_off"}
    return {**older, "version": 1, "environment": found["devices"][0]["before"], "verdict": verdict}


def test_both_layouts_of_the_fuzzed_record_are_good(metered: Path, tmp_path: Path) -> None:
    """The control of the test above: unspoilt, they are VALID."""
    assert check_file(metered).status == "VALID"
    path = tmp_path / "run.json"
    path.write_bytes(canonical(first_layout(read_record(metered))))
    beside(path, TRACE).write_bytes(beside(metered, TRACE).read_bytes())
    assert check_file(path).status == "VALID"
