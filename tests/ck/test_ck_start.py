"""What `ck run` does around its program: nothing that our entries could spare it; and the benchmark that times it."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys

import pytest

from benchmarks.ck_home import CkHome as StampingHome
from benchmarks.ck_home import _seconds
from benchmarks.ck_start import PHASES, CkStart, Round, _marks
from benchmarks.contestant import BenchmarkError

KEY = "benchmark-alexnet-single-device-cpu"
REFUSED = "--env.STAT_REPEAT=0"  # CK goes its whole way, and the program ends before it measures

# Loaded by every Python below; writes down what the one that is `ck run` does.
WITNESS = """
import os, sys, time
if any(text.startswith("program:") for text in sys.orig_argv):
    log = open(os.environ["CK_WITNESS"], "a", buffering=1)
    def note(event, arguments):
        if event == "import":
            log.write(f"import {arguments[0]}\\n")
        elif event == "os.system":
            log.write(f"process {os.fsdecode(arguments[0])}\\n")
        elif event == "subprocess.Popen":
            words = arguments[1] if isinstance(arguments[1], str) else " ".join(map(str, arguments[1]))
            log.write(f"process {words}\\n")
    def sleep(seconds, really=time.sleep):
        log.write(f"sleep {seconds}\\n")
        really(seconds)
    time.sleep = sleep
    sys.addaudithook(note)
"""


def _witnessed(home, tmp_path):
    """Event -> its arguments, of one `ck run` that ends without measuring."""
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    log = tmp_path / "witness.txt"
    log.unlink(missing_ok=True)
    path = f"{tmp_path}:{home.environ['PYTHONPATH']}"
    done = home.run_program(KEY, REFUSED, PYTHONPATH=path, CK_WITNESS=str(log))
    assert "STAT_REPEAT is '0'" in done.stdout, done.stdout
    events = {}
    for line in log.read_text().splitlines():
        name, _, argument = line.partition(" ")
        events.setdefault(name, []).append(argument)
    return events


def test_nothing_of_ours_waits_or_starts_a_python(own_home, tmp_path):
    """The first run sleeps only where CK always does, starts no Python beside the program, and imports no library."""
    events = _witnessed(own_home, tmp_path)
    assert events["sleep"] == ["0.5"]
    looks = [text for text in events["process"] if text.startswith(("getconf ", "uname ", "cat /etc/"))]
    (program,) = [text for text in events["process"] if text not in looks]
    assert "bash -c" in program
    assert len(looks) <= 14  # two for each dependency; one more dependency is two more
    loaded = {name.partition(".")[0] for name in events["import"]}
    assert "uuid" in loaded  # control: the kernel's own imports are seen
    assert not loaded & {"numpy", "tensorflow", "keras", "harness"}


def test_a_missing_folder_costs_a_second(home, tmp_path):
    """Control: without the folder that the installation makes, CK sleeps a second more."""
    shutil.rmtree(home.timer.parent)
    assert _witnessed(home, tmp_path)["sleep"] == ["1", "0.5"]
    assert _witnessed(home, tmp_path)["sleep"] == ["0.5"]


def test_installing_again_makes_the_folder_and_keeps_what_is_in_it(home):
    """The folder for runs comes back with the next installation, and figures in it stay."""
    shutil.rmtree(home.timer.parent)
    assert home.iot_farm("ck", "install").returncode == 0
    assert home.timer.parent.is_dir()
    home.timer.write_text("{}")
    assert home.iot_farm("ck", "install").returncode == 0
    assert home.timer.read_text() == "{}"


def test_a_program_is_stamped(tmp_path):
    """The benchmark's Python stamps the program that `ck run` starts, hands on its code, and is read once."""
    if not any(distribution.name == "ck" for distribution in importlib.metadata.distributions()):
        pytest.skip("ck is not installed: Python 3.11 and `pip install ck==2.6.4` have it")
    stamping = StampingHome(tmp_path)
    command = [sys.executable, "-m", "ck", "run", "program:request-iot-benchmark", f"--cmd_key={KEY}", REFUSED]
    done = subprocess.run(command, env=stamping.environ, capture_output=True, text=True, timeout=120, check=False)
    assert "likely failed" in done.stdout, done.stdout
    found = stamping.stamps()
    assert found.cpu_s > 0
    assert found.begin_s < found.end_s
    with pytest.raises(BenchmarkError, match="did not start the program"):
        stamping.stamps()


def test_seconds_of_bash():
    """Times of bash are read in minutes and seconds."""
    assert _seconds("2m1.5s") == pytest.approx(121.5)


LINES = [
    ("* request-iot-benchmark (88b118634abf9491)", 1.0),
    ("OS bits: 64", 1.1),
    ("Resolving software dependencies ...", 1.2),
    ("(sleep 0.5 sec ...)", 1.3),
    ("(run ...)", 1.8),
]


def test_marks_of_the_phases():
    """The lines of CK that end phases are found in their order; one that is missing or too early is named."""
    assert _marks(LINES) == [1.0, 1.2, 1.3, 1.8]
    with pytest.raises(BenchmarkError, match=r"did not print .Resolving"):
        _marks([LINES[2], *LINES[:2], *LINES[3:]])


def test_what_is_said_of_the_rounds():
    """The page and the document tell medians of what CK added, and of what remains beside an empty entry."""
    rounds = [Round(4.0 + n, 3.5, 3.3, dict.fromkeys(PHASES, n / 10), 0.1, 0.25) for n in (1, 2, 3)]
    found = CkStart(tuple(rounds))
    assert found.added.median == pytest.approx(0.2 * len(PHASES))
    assert found.ours.median == pytest.approx(0.2 * len(PHASES) - 0.25)
    assert found.difference.median == pytest.approx(2.5)
    document = json.loads(json.dumps(found.to_document()))
    assert len(document["rounds"]) == 3
    assert document["added_s"]["median"] == pytest.approx(found.added.median)
    assert all(phase in "\n".join(found.to_lines()) for phase in PHASES)
    assert [goal.met for goal in found.goals()] == [False]
