"""`ck run program:request-iot-benchmark` on a single device, and everything that one can type wrongly."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from harness.ck.keys import KEYS
from harness.ck.timers import SCOREBOARD_NAMES
from harness.metrics import METRICS
from harness.records.store import read_record

CPU_KEY = "benchmark-alexnet-single-device-cpu"
FAILED = "Program execution likely failed"


def _no_traceback(done):
    assert "Traceback" not in done.stdout
    return done


def test_single_device_cpu(home):
    """The CPU key ends well, and CK reads its two keys and every metric of the list from the timer file."""
    done = home.run_program(CPU_KEY, "--env.STAT_REPEAT=5")
    assert done.returncode == 0, done.stdout
    assert FAILED not in done.stdout
    assert "export CUDA_VISIBLE_DEVICES=\n" in done.stdout
    assert "Execution time: " in done.stdout
    figures = json.loads(home.timer.read_text())
    assert figures["execution_time"] == figures["execution_time_classify"] == pytest.approx(1 / figures["ips"])
    assert figures["frames_sent"] == figures["frames_returned"] == figures["frames_verified"] == 5
    named = {"execution_time", "iot_farm_record", "iot_farm_run", "emulated", *SCOREBOARD_NAMES}
    assert set(figures) - named <= set(METRICS)
    assert figures["inference_latency"] == figures["latency_mean_s"]
    record = read_record(Path(home.environ["IOT_FARM_RESULTS"]) / f"{figures['iot_farm_record']}.json")
    assert record["run"] == figures["iot_farm_run"]
    assert {"ips", "latency_mean_s", "largest_error", "window_s"} <= set(figures)
    assert not [name for name in figures if "energy" in name], "nobody asked for it"


def test_energy_through_ck(home):
    """`--env.POWER=virtual` gives CK energy per inference with uncertainty, marked as virtual; its trace is kept."""
    done = home.run_program(CPU_KEY, "--env.STAT_REPEAT=150", "--env.POWER=virtual", "--env.POWER_IDLE_S=2")
    assert done.returncode == 0, done.stdout
    assert "virtual, not measured" in done.stdout
    figures = json.loads(home.timer.read_text())
    parts = [figures[f"energy_{part}_j"] for part in ("static", "dynamic", "total")]
    assert parts[0] + parts[1] == pytest.approx(parts[2])
    assert all(figures[f"energy_{part}_u_j"] > 0 for part in ("static", "dynamic", "total"))
    assert figures["energy_measured"] == 0
    (trace,) = Path(home.environ["IOT_FARM_RESULTS"]).glob("*.power.csv")
    again = home.iot_farm("power", "analyze", str(trace), "--json")
    assert json.loads(again.stdout)["total_j_per_frame"] == figures["energy_total_j"]


def test_no_energy_unless_asked(home):
    """Control: with POWER=none, as without POWER in the test of the CPU key, there is no energy; not even 0."""
    assert home.run_program(CPU_KEY, "--env.STAT_REPEAT=2", "--env.POWER=none").returncode == 0
    assert not [name for name in json.loads(home.timer.read_text()) if "energy" in name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--env.POWER=socket",), "'socket' is no power meter"),
        (("--env.POWER=virtual", "--env.POWER_IDLE_S=soon"), "POWER_IDLE_S is 'soon'"),
        (("--env.POWER_IDLE_S=3",), "POWER_IDLE_S is set without POWER"),
        (("--env.POWER=TCPIP::127.0.0.1::9::SOCKET",), "refuses connections"),
        (("--env.POWER=virtual", "--env.POWER_PROFILE=none.toml"), "a profile is for an instrument"),
    ],
)
def test_wrong_power(home, arguments, words):
    """A meter that cannot be had is named before anything is measured, and no figure reaches CK."""
    done = _no_traceback(home.run_program(CPU_KEY, "--env.STAT_REPEAT=5", *arguments))
    assert FAILED in done.stdout
    assert words in done.stdout
    assert "measuring" not in done.stdout
    assert not home.timer.exists()


def test_single_device_gpu_without_gpu(home):
    """The GPU key on a machine without GPU fails and says so; it never becomes a CPU figure."""
    home.timer.parent.mkdir(exist_ok=True)
    home.timer.write_text('{"execution_time": 1.0}')  # of an earlier run: must not be taken for this one's
    done = _no_traceback(home.run_program("benchmark-alexnet-single-device-gpu", CUDA_VISIBLE_DEVICES=""))
    assert done.returncode == 0
    assert FAILED in done.stdout
    assert "TensorFlow finds no GPU on this machine" in done.stdout
    assert not home.timer.exists()


@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_wrong_stat_repeat(home, value):
    """A wrong STAT_REPEAT is named with its value; no timer file, and 11 where CK is told to hand on failures."""
    done = _no_traceback(home.run_program(CPU_KEY, f"--env.STAT_REPEAT={value}", "--return_error_if_external_fail=yes"))
    assert done.returncode == 11
    assert f"error: STAT_REPEAT is '{value}'" in done.stdout
    assert not home.timer.exists()


def test_missing_key(home):
    """Without a cmd_key CK opens its menu of them; a chosen number is taken."""
    key = sorted(KEYS).index("benchmark-alexnet-farm-5-nodes")
    done = _no_traceback(home.ck("run", "program:request-iot-benchmark", answers=f"{key}\n"))
    for name in KEYS:
        assert f") {name}" in done.stdout
    assert "-m harness ck run benchmark-alexnet-farm-5-nodes\n" in done.stdout
    assert home.ck("run", "program:request-iot-benchmark").returncode == 1


def test_unknown_key(home):
    """CK refuses an unknown key itself."""
    done = _no_traceback(home.run_program("nope"))
    assert done.returncode == 1
    assert "CMD key not found in program description!" in done.stdout


def test_unknown_key_of_our_own_command(home):
    """`iot-farm ck run` refuses it too, and lists the keys."""
    done = _no_traceback(home.iot_farm("ck", "run", "nope"))
    assert done.returncode == 2
    assert "there is no cmd_key 'nope'" in done.stdout
    assert CPU_KEY in done.stdout


def test_unknown_target(home):
    """CK refuses an unknown target itself, with its code for "not found"."""
    done = _no_traceback(home.run_program("benchmark-alexnet-farm-5-nodes", "--target=nope"))
    assert done.returncode == 16
    assert 'can\'t find path to CK entry "machine:nope"' in done.stdout


@pytest.mark.parametrize("key", ["benchmark-alexnet-farm-5-nodes", "benchmark-alexnet-farm-5-nodes-start-server"])
def test_no_target(home, key):
    """A farm key without --target is told in the words of the artifact; its own exit code is 1."""
    done = _no_traceback(home.run_program(key, "--return_error_if_external_fail=yes"))
    assert done.returncode == 11
    assert "ERROR: CK target is not specified" in done.stdout
    verb = "start-server" if key.endswith("server") else "run"
    alone = home.iot_farm("ck", verb, key)
    assert alone.returncode == 1
    assert alone.stdout.startswith("ERROR: CK target is not specified")


GOOD = {
    "initial": ["127.0.0.1"],
    "block1": ["127.0.0.2"],
    "block2": ["127.0.0.3", "127.0.0.4"],
    "block3": ["127.0.0.5"],
}
WRONG_FARMS = {
    "shape": ({"nodes": GOOD}, 'has no object "node"'),
    "no-initial": ({"node": {"block1": ["127.0.0.2"]}}, 'has no role "initial"'),
    "unknown-role": ({"node": {**GOOD, "block9": ["127.0.0.6"]}}, 'unknown role "block9"'),
    "missing-role": ({"node": {role: GOOD[role] for role in GOOD if role != "block3"}}, 'has no role "block3"'),
    "empty-role": ({"node": {**GOOD, "block1": []}}, 'role "block1" has no address'),
    "twice": ({"node": {**GOOD, "block1": ["127.0.0.3"]}}, "127.0.0.3:12345 twice"),
    "not-here": (
        {"node": {**GOOD, "initial": ["203.0.113.9"]}},
        '"initial" is 203.0.113.9, which is not an address of this machine',
    ),
}


@pytest.mark.parametrize("case", sorted(WRONG_FARMS))
def test_wrong_farms(home, tmp_path, case):
    """CK registers any JSON; a run on it names what is wrong before a socket is opened, and leaves no timer file."""
    document, words = WRONG_FARMS[case]
    path = tmp_path / "farm.json"
    path.write_text(json.dumps(document))
    add = ("add", f"machine:{case}", "--access_type=avro", f"--avro_config={path}", "--target_os=linux-64")
    assert home.ck(*add).returncode == 0
    done = _no_traceback(home.run_program("benchmark-alexnet-farm-5-nodes", f"--target={case}"))
    assert FAILED in done.stdout
    assert words in done.stdout
    assert not home.timer.exists()


@pytest.mark.parametrize(("content", "words"), [(None, "is no farm"), ("{", "is not JSON")])
def test_a_damaged_entry(home, tmp_path, content, words):
    """A machine entry whose farm file is gone or damaged is named."""
    path = tmp_path / "farm.json"
    path.write_text('{"node": {"initial": ["127.0.0.1"], "block1": ["127.0.0.2"]}}')
    name = f"damaged-{'gone' if content is None else 'text'}"
    add = ("add", f"machine:{name}", "--access_type=avro", f"--avro_config={path}", "--target_os=linux-64")
    assert home.ck(*add).returncode == 0
    farm_file = home.repos / "local/machine" / name / "ip"
    farm_file.unlink() if content is None else farm_file.write_text(content)
    done = _no_traceback(home.run_program("benchmark-alexnet-farm-5-nodes", f"--target={name}"))
    assert FAILED in done.stdout
    assert words in done.stdout
    assert str(farm_file.parent) in done.stdout


def test_a_second_run_in_the_same_folder(home):
    """Two runs in one folder would read each other's figures: the second is turned away, the first's stay."""
    home.timer.parent.mkdir(exist_ok=True)
    with (home.timer.parent / "tmp-ck-run.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = _no_traceback(home.run_program(CPU_KEY))
    assert FAILED in done.stdout
    assert "another run is at work in" in done.stdout
    assert "--generate_rnd_tmp_dir=yes" in done.stdout
