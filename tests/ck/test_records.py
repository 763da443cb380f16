"""What benchmarking.py records, and that real CK reads it again: here, and after a journey in a zip file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from harness.records.check import check_file
from harness.records.entries.entry import read_entry
from harness.records.entries.statistics import OPTIONAL, analyse
from harness.records.entries.unpack import entries_in_zip
from harness.records.store import read_record

# Six runs stand behind the first test; each loads TensorFlow.
pytestmark = pytest.mark.timeout(900)

KEY = "benchmark-alexnet-single-device-cpu"
ENTRY = f"ck-request-asplos18-iot-farm-{KEY}"
TIME = "##characteristics#run#execution_time"

# Loads a point and gets its table, with CK's own readers.
READER = """
import json, sys
import ck.kernel as ck
repo, entry, point = sys.argv[1:]
place = {"module_uoa": "experiment", "repo_uoa": repo, "data_uoa": entry}
points = ck.access({"action": "list_points", **place})
loaded = ck.access({"action": "load_point", "point": point, **place})
run = "##characteristics#run#"
keys = [run + "execution_time#min", run + "frames_verified#min", "##choices#cmd_key#min"]
options = {"flat_keys_list": keys, "get_all_points": "yes", "ignore_graph_separation": "yes"}
table = ck.access({"action": "get", **options, **place})
print(json.dumps({"points": points["points"], "loaded": loaded["dict"], "table": table["table"]["0"]}))
"""


def _script(home) -> str:
    return str(Path(home.ck("find", "script:benchmark-request-iot-farm").stdout.strip()) / "benchmarking.py")


def _benchmark(home, *arguments, **variables):
    return home.python(_script(home), *arguments, **variables)


def _read(home, repository, point):
    done = home.python("-W", "ignore", "-c", READER, repository, ENTRY, point)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def _points(folder):
    return sorted({path.name.split(".")[0].removeprefix("ckp-") for path in folder.glob("ckp-*")})


@pytest.fixture(scope="module")
def recorded(home):
    """The entry after the same measurement twice: three repetitions each."""
    for _ in range(2):
        done = _benchmark(home, f"--cmd_key={KEY}", STAT_REPEAT="5")
        assert done.returncode == 0, done.stdout
    return home.repos / "local/experiment" / ENTRY


def test_files_of_a_recorded_entry(recorded):
    """Meta, description, pipeline and the four files of one point are there, under A.7's name."""
    names = {path.name for path in recorded.iterdir()}
    assert {".cm", "desc.json", "pipeline.json"} <= names
    (point,) = _points(recorded)
    assert {f"ckp-{point}.{suffix}.json" for suffix in ("0001", "flat", "features", "features_flat")} <= names
    meta = json.loads((recorded / ".cm/meta.json").read_text())
    assert meta["points"] == "1"
    assert {"request", "request-asplos18", "request-iot-benchmark", "4b8bbc192ec57f63"} <= set(meta["tags"])
    assert meta["meta"]["scenario_module_uoa"] == "a555738be4b65860"
    assert meta["meta"]["deps_summary"]["lib-tensorflow"]["version"].startswith("2.")
    assert meta["meta"]["report_uid"] == "640fb4c4b9ba9822"


def test_repetitions_are_kept_and_repeated(recorded):
    """Three repetitions make one point; the same command again makes six of it, with CK's statistics over all."""
    flat = json.loads((recorded / f"ckp-{_points(recorded)[0]}.flat.json").read_text())
    values = flat[f"{TIME}#all"]
    assert flat[f"{TIME}#repeats"] == len(values) == 6
    assert flat[f"{TIME}#min"] == min(values)
    assert flat[f"{TIME}#mean"] == pytest.approx(sum(values) / 6, abs=1e-12)
    assert flat["##characteristics#run#frames_verified#all"] == [5] * 6
    assert flat["##characteristics#run#run_success#min"] == "yes"
    assert flat["##choices#env#STAT_REPEAT#min"] == "5"
    assert flat["##choices#cpu_freq#min"] == ""  # nothing was set, so nothing is claimed


def test_raw_records_travel_in_the_entry(recorded):
    """The six records of the six repetitions lie in the entry; CK's figures follow from their samples."""
    entry = read_entry(recorded)
    (point,) = entry.points
    assert [path.stem for path in entry.records] == sorted(point.samples("iot_farm_record"))
    assert len(entry.records) == point.repetitions == 6
    for stem, run, time_s in zip(
        point.samples("iot_farm_record"),
        point.samples("iot_farm_run"),
        point.samples("execution_time_classify"),
        strict=True,
    ):
        path = recorded / "iot-farm" / f"{stem}.json"
        assert read_record(path)["run"] == run
        audit = check_file(path)
        assert audit.figures["execution_time_classify"] == pytest.approx(time_s, rel=1e-12)
    assert point.samples("inference_throughput") == point.samples("ips")
    assert point.samples("prediction_time_avg_s") == point.samples("execution_time_classify")


def test_the_entry_says_what_the_scoreboard_asks(recorded):
    """Species, names and `processed` stand in the meta; prices that nobody declared and clocks do not."""
    meta = read_entry(recorded).meta
    assert meta["processed"] == "yes"
    assert (meta["algorithm_species"], meta["model_species"]) == ("f4f75a0a6b65e4cd", "c0ad9b9800422f98")
    assert meta["model_design_name"] == "AlexNet (authors' implementation)"
    assert meta["library_name"].startswith("TensorFlow library 2.")
    assert not [key for key in meta if "price" in key or "power" in key or "freq" in key]


def test_statistics_are_those_that_we_compute(recorded):
    """From the sub-points that CK kept we compute every statistic that CK computed, over both calls."""
    (point,) = read_entry(recorded).points
    flat = {}
    for number in sorted(point.sub_points):
        sub_point = point.sub_points[number]
        rest = {key: sub_point[key] for key in ("features", "choices")}
        flat = analyse(flat, sub_point["characteristics_list"], rest).flat
    assert point.disagreements() == ()
    theirs = {key: value for key, value in point.flat.items() if not key.startswith("##pipeline_state#")}
    assert flat == {key: value for key, value in theirs.items() if not key.endswith(OPTIONAL)}


def test_entries_of_others_are_left_alone(place_published, own_home):
    """Into an entry that another repository recorded nothing is added: the error says so before anything runs."""
    own_home.ck("ls", "local:experiment:*")
    entry = place_published(own_home.repos / "local")
    before = read_entry(entry)
    done = _benchmark(own_home, "--cmd_key=benchmark-alexnet-farm-5-nodes", "--target=farm-5-local")
    assert done.returncode == 1, done.stdout
    assert "was recorded by another repository (9bb172637b2083c2): add --random_name" in done.stdout
    assert read_entry(entry) == before


def test_a_failed_run_is_recorded_and_told(recorded, home):
    """A failed run makes a failed point of its own, beside the good one, and a non-zero exit code."""
    before = _points(recorded)
    done = _benchmark(home, f"--cmd_key={KEY}", STAT_REPEAT="0")
    assert done.returncode == 10, done.stdout
    assert "Error: the run failed: " in done.stdout
    (failed,) = set(_points(recorded)) - set(before)
    flat = json.loads((recorded / f"ckp-{failed}.flat.json").read_text())
    assert flat["##pipeline_state#fail#min"] == "yes"
    assert f"{TIME}#min" not in flat
    for suffix in recorded.glob(f"ckp-{failed}.*"):  # the other tests count on the good point alone
        suffix.unlink()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--cmd_key=benchmark-alexnet-farm-5-nodes", "--target=nope"), 16, 'path to CK entry "machine:nope"'),
        (("--cmd_key=benchmark-alexnet-farm-5-nodes",), 1, "CK target is not specified"),
        (("--cmd_key=nope",), 1, "CMD key"),
        (("--cmd_key=benchmark-alexnet-farm-5-nodes-start-server", "--target=farm-5-local"), 1, "never ends"),
    ],
)
def test_wrong_arguments(home, arguments, code, words):
    """Wrong arguments end with one line and a code, ask nothing, and record nothing."""
    before = home.ck("ls", "local:experiment:*").stdout
    done = _benchmark(home, *arguments)
    assert done.returncode == code, done.stdout
    assert words in done.stdout
    assert "Traceback" not in done.stdout
    assert home.ck("ls", "local:experiment:*").stdout == before


def test_the_host_as_target(own_home):
    """With machine:host registered (A.7.8) a single-device key takes it, among farms and without a menu."""
    assert own_home.ck("add", "machine:host", "--use_host", answers="1\n").returncode == 0
    done = _benchmark(own_home, f"--cmd_key={KEY}", "--random_name", STAT_REPEAT="0")
    assert done.returncode == 10, done.stdout  # fails at once: which target was taken is what matters here
    (entry,) = [path for path in (own_home.repos / "local/experiment").iterdir() if path.name != ".cm"]
    (point,) = entry.glob("ckp-*.0001.json")
    assert json.loads(point.read_text())["choices"]["target"] == "host"
    assert entry.name != ENTRY


def test_ls_and_zip(recorded, home):
    """`ck ls` lists the entry; `ck zip` packs it once, and refuses to overwrite the file."""
    pattern = "local:experiment:ck-request-asplos18-iot-farm*"
    assert home.ck("ls", pattern).stdout.split() == [ENTRY]
    archive = home.work / "ckr-local.zip"
    assert home.ck("zip", pattern).returncode == 0
    names = zipfile.ZipFile(archive).namelist()
    uid = (recorded.parent / ".cm" / f"alias-a-{ENTRY}").read_text().strip()
    assert {
        ".cm/alias-a-experiment",
        ".cm/alias-u-bc0409fb61f0aa82",
        f"experiment/.cm/alias-a-{ENTRY}",
        f"experiment/.cm/alias-u-{uid}",
        f"experiment/{ENTRY}/.cm/meta.json",
        f"experiment/{ENTRY}/pipeline.json",
    } <= set(names)
    (unpacked,) = entries_in_zip(archive, home.work / "unpacked")
    assert read_entry(unpacked).points == read_entry(recorded).points
    assert len(read_entry(unpacked).records) == 6
    again = home.ck("zip", pattern)
    assert again.returncode == 1
    assert "already exists" in again.stdout


def test_round_trip(recorded, home, new_home):
    """In another $CK_REPOS real CK lists, loads and tabulates the same point, and can replay it."""
    archive = home.work / "journey.zip"
    assert home.ck("zip", "local:experiment:ck-request-asplos18-iot-farm*", f"--archive_name={archive}").returncode == 0
    receiver = new_home()
    assert receiver.ck("add", "repo:received", f"--zip={archive}", "--quiet").returncode == 0
    (point,) = _points(recorded)
    here, there = _read(home, "local", point), _read(receiver, "received", point)
    assert here["points"] == there["points"] == [point]
    assert here["loaded"] == there["loaded"]
    assert here["loaded"]["flat"] == json.loads((recorded / f"ckp-{point}.flat.json").read_text())
    assert here["table"] == there["table"] != []
    # The control: a changed figure is seen.
    flat = receiver.repos / "received/experiment" / ENTRY / f"ckp-{point}.flat.json"
    flat.write_text(flat.read_text().replace('frames_verified#min": 5', 'frames_verified#min": 4'))
    assert _read(receiver, "received", point)["table"] != here["table"]

    assert receiver.iot_farm("ck", "install").returncode == 0
    done = receiver.ck(
        "replay", f"received:experiment:{ENTRY}", f"--point={point}", "--subpoint=0001", "--repetitions=1"
    )
    assert done.returncode == 0, done.stdout
    assert "distinct, verified frames of a run:" in done.stdout
    assert "Pipeline executed successfully!" in done.stdout
