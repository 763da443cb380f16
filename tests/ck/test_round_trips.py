"""Entries that we wrote, and one of 2018, through real ck: zip, unzip elsewhere, list, load, tabulate, replay."""

from __future__ import annotations

import json
import zipfile

import pytest

from harness.records.entries.entry import read_entry
from harness.records.entries.pack import private_of, write_zip
from harness.records.entries.statistics import analyse
from harness.records.entries.unpack import entries_in_zip
from harness.records.entries.writer import NewPoint, replay_pipeline, write_point

KEY = "benchmark-alexnet-single-device-cpu"
PUBLISHED_UID = "5a3dac8c7477d06f"
RUN = "##characteristics#run#"

# Everything that CK's own readers say about the one point of an entry.
READER = """
import json, sys
import ck.kernel as ck
place = {"module_uoa": "experiment", "repo_uoa": "local", "data_uoa": sys.argv[1]}
def access(**request):
    answer = ck.access({**place, **request})
    if answer["return"] > 0:
        sys.exit(answer["error"])
    return answer
points = access(action="list_points")["points"]
loaded = access(action="load_point", point=points[0], add_pipeline="yes")
options = {"get_all_points": "yes", "ignore_graph_separation": "yes"}
table = access(action="get", flat_keys_list=json.loads(sys.argv[2]), **options)
print(json.dumps({"points": points, "loaded": loaded["dict"], "pipeline": loaded["pipeline"], "table": table["table"]}))
"""
TEN = ("repeats", "all", "all_unique", "min", "max", "range", "halfrange", "center", "range_percent", "mean")
"""The ten metrics that CK keeps of a figure of a run."""


def _read_with_ck(home, entry, keys=(f"{RUN}execution_time#min", f"{RUN}execution_time#mean")):
    done = home.python("-W", "ignore", "-c", READER, entry, json.dumps(keys))
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def _journey(home, receiver, entry):
    """`ck zip` here, `ck unzip` there."""
    archive = home.work / "ckr-local.zip"
    assert home.ck("zip", f"local:experiment:{entry}", "--overwrite").returncode == 0
    receiver.ck("ls", "local:experiment:*")  # makes the repository that is unpacked into
    done = receiver.ck("unzip", "repo:local", f"--zip={archive}")
    assert done.returncode == 0, done.stdout
    return archive


def _same_to_both(home, receiver, entry):
    """What real ck reads here and there is the same, and the same as what we read."""
    here, there = _read_with_ck(home, entry), _read_with_ck(receiver, entry)
    assert here == there
    ours = read_entry(receiver.repos / "local" / "experiment" / entry)
    (point,) = ours.points
    assert there["points"] == [point.uid]
    assert there["loaded"] == {
        "flat": point.flat,
        "features": point.features,
        "features_flat": point.features_flat,
        **point.sub_points,
    }
    assert there["pipeline"] == ours.pipeline()
    assert there["table"]["0"] == [[point.flat[f"{RUN}execution_time#min"], point.flat[f"{RUN}execution_time#mean"]]]
    return point


@pytest.fixture(scope="module")
def written(home):
    """An entry that we wrote, in two goes, with a raw record."""
    record = home.work / "20260101T000000000-alexnet-host-r.json"
    record.write_text('{"run":"r"}\n')
    record.with_suffix(".power.csv").write_text("t_s,p_w\n0.0,1.0\n")
    for times in ((0.5, 0.25, 0.75), (0.125,)):
        runs = [
            {"run": {"execution_time": time_s, "execution_time_classify": time_s, "run_success": "yes"}}
            for time_s in times
        ]
        folder, _ = write_point(
            home.repos / "local",
            "written",
            NewPoint(runs, features={"system": "s"}, choices={"cmd_key": KEY, "env": {"STAT_REPEAT": "5"}}),
            meta={"processed": "yes", "scenario_module_uoa": "a555738be4b65860"},
            tags=["request-asplos18"],
            pipeline=replay_pipeline(KEY, {"STAT_REPEAT": "5"}),
            records=[record],
        )
    return folder


def test_what_we_wrote_travels_through_ck(written, home, new_home):
    """`ck ls`, `list_points`, `get` and `load_point` read what we wrote, before and after `ck zip` and `ck unzip`."""
    assert home.ck("ls", "local:experiment:writ*").stdout.split() == ["written"]
    receiver = new_home()
    _journey(home, receiver, "written")
    point = _same_to_both(home, receiver, "written")
    assert point == read_entry(written).points[0]
    assert point.samples("execution_time")[:4] == (0.5, 0.25, 0.75, 0.125)
    unpacked = read_entry(receiver.repos / "local/experiment/written")
    assert [path.name for path in unpacked.records] == ["20260101T000000000-alexnet-host-r.json"]
    assert unpacked.records[0].with_suffix(".power.csv").is_file()
    # The control: a changed figure is seen.
    flat = unpacked.folder / f"ckp-{point.uid}.flat.json"
    flat.write_text(flat.read_text().replace("0.125", "0.126"))
    assert _read_with_ck(receiver, "written") != _read_with_ck(home, "written")


@pytest.mark.timeout(300)
def test_what_we_wrote_is_replayed_by_ck(written, home):
    """`ck replay` runs the cmd_key of what we wrote again and compares the figures."""
    done = home.ck("replay", "local:experiment:written", "--subpoint=0001", "--repetitions=1")
    assert done.returncode == 0, done.stdout
    assert "Pipeline executed successfully!" in done.stdout
    assert "seconds per distinct, verified frame, min:  0.125 vs 0." in done.stdout


def test_ck_adds_to_what_we_wrote(written, home):
    """`ck add experiment` finds our point by its features and goes on with its statistics."""
    before = read_entry(written).points[0]
    script = """
import json, sys
import ck.kernel as ck
request = {"action": "add", "module_uoa": "experiment", "repo_uoa": "local", "experiment_uoa": "written"}
request.update(force_new_entry="yes", search_point_by_features="yes", dict=json.loads(sys.argv[1]))
print(json.dumps(ck.access(request)))
"""
    place = {
        "pipeline_uid": "b0ac08fe1d3c2615",
        "features": before.features["features"],
        "choices": before.features["choices"],
        "characteristics_list": [{"run": {"execution_time": 2.0}}],
    }
    done = home.python("-W", "ignore", "-c", script, json.dumps(place))
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["return"] == 0, answer
    (after,) = read_entry(written).points
    assert after.uid == before.uid
    assert after.samples("execution_time") == (*before.samples("execution_time"), 2.0)
    rest = {key: before.features[key] for key in ("features", "choices")}
    assert analyse(before.flat, place["characteristics_list"], rest).flat == after.flat


def test_the_entry_of_2018(published_entry, place_published, home, new_home):
    """The published entry has the same points and ten metrics to us and to real ck, before and after a journey."""
    entry = place_published(home.repos / "local")
    receiver = new_home()
    _journey(home, receiver, entry.name)
    point = _same_to_both(home, receiver, entry.name)
    assert read_entry(published_entry).points == (point,)
    assert read_entry(published_entry).uid == PUBLISHED_UID
    assert point.disagreements() == ()
    (sub_point,) = point.sub_points.values()
    made = analyse({}, sub_point["characteristics_list"], {key: sub_point[key] for key in ("features", "choices")}).flat
    keys = [f"{RUN}{name}#{ending}" for name in ("execution_time", "execution_time_classify") for ending in TEN]
    table = _read_with_ck(receiver, entry.name, keys)["table"]["0"][0]
    # `get` gives the first value of a list.
    expected = [made[key][0] if isinstance(made[key], list) else made[key] for key in keys]
    assert table == pytest.approx(expected, rel=1e-12)
    assert {key: point.flat[key] for key in made} == made
    assert made[keys[0]] == 3
    assert made[f"{RUN}execution_time_classify#mean"] == pytest.approx(0.1850128926728901, rel=1e-12)
    # The control: another first repetition gives other metrics.
    changed = json.loads(json.dumps(sub_point["characteristics_list"]))
    changed[0]["run"]["execution_time"] *= 1 + 1e-9
    assert analyse({}, changed, {}).flat[f"{RUN}execution_time#mean"] != made[f"{RUN}execution_time#mean"]


def test_our_zip_to_ck_and_ck_zip_to_us(written, home, new_home, tmp_path):
    """Archives go both ways: ck unpacks ours, we unpack ck's, with the same entry inside."""
    ours, theirs = tmp_path / "ours.zip", home.work / "ckr-local.zip"
    write_zip([written], ours, private=True)
    assert home.ck("zip", "local:experiment:written", "--overwrite").returncode == 0
    with zipfile.ZipFile(ours) as mine, zipfile.ZipFile(theirs) as other:
        assert {name: mine.read(name) for name in mine.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }
    (entry,) = entries_in_zip(theirs, tmp_path / "into")
    assert read_entry(entry).points == read_entry(written).points
    receiver = new_home()
    assert receiver.ck("add", "repo:received", f"--zip={ours}", "--quiet").returncode == 0
    assert receiver.ck("ls", "received:experiment:*").stdout.split() == ["written"]


def test_paths_and_addresses_stay_here(place_published, new_home, tmp_path):
    """Our archive of the 2018 entry has no path and no address of its authors, and the same figures."""
    entry = place_published(tmp_path / "local")
    found = private_of(entry)
    assert "192.168.1.6" in found
    assert any(text.startswith("/Users/") for text in found)
    archive = tmp_path / "a.zip"
    stand_ins = write_zip([entry], archive)
    assert stand_ins["192.168.1.6"].startswith("address-")
    with zipfile.ZipFile(archive) as packed:
        content = b"".join(packed.read(name) for name in packed.namelist())
    assert b"192.168" not in content
    assert b"/Users" not in content
    receiver = new_home()
    assert receiver.ck("add", "repo:received", f"--zip={archive}", "--quiet").returncode == 0
    (point,) = read_entry(receiver.repos / "received/experiment" / entry.name).points
    (original,) = read_entry(entry).points
    assert point.disagreements() == ()
    figures = {key: value for key, value in original.flat.items() if key.startswith(RUN)}
    assert figures.items() <= point.flat.items()
