"""Meters that fail in mid-run: the speed stays VALID, the energy is INVALID with a reason, and no number is made up."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from farms import Farm

from harness.bench.energy import PowerOptions, RunMeter
from harness.bench.filing import file_run
from harness.bench.options import RunOptions
from harness.bench.progress import Silent
from harness.bench.right_answers import reference_for
from harness.bench.session import plan_of, run_benchmark
from power.trace_file import read_trace

FRAMES = 300
"""Three to four seconds: a meter that stands still is known as such after two and a half."""
IDLE_S = 1.6
RANGING_S = 0.5
NAMES = ("energy_total_j", "energy_static_j", "energy_dynamic_j", "power_run_w", "power_idle_w", "inferences_per_j")


class Analyzer:
    """A virtual analyzer that a test may harm."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.resource: str = json.loads(process.stdout.readline())["resource"]

    def tell(self, *commands: str) -> None:
        """Send commands over a connection of their own."""
        _, host, port, _ = self.resource.split("::")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall("".join(f"{command}\n" for command in (*commands, "*IDN?")).encode())
            assert connection.recv(1000), "it has taken the commands once it answers"

    def kill(self) -> None:
        """As when its plug is drawn."""
        self._process.kill()


@contextmanager
def analyzer(farm: Farm) -> Iterator[Analyzer]:
    """An analyzer that measures the nodes of a farm."""
    pids = "+".join(str(process.pid) for process in farm.processes().values())
    command = [sys.executable, "-m", "power.virtual", "--persona", "wt300e", "--load", f"farm:{pids},devices=5"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Analyzer(process)
        finally:
            process.terminate()


def test_row_25_meter_gone_in_mid_run(alexnet_farm: Farm, tmp_path: Path) -> None:
    """`iot-farm run` whose meter loses its supply in the window: exit code 0, speed VALID, energy INVALID and why."""
    with analyzer(alexnet_farm) as meter:
        options = ["--frames", str(FRAMES), "--power", meter.resource, "--idle", str(IDLE_S), "--out", str(tmp_path)]
        command = [sys.executable, "-m", "harness", "run", "--target", str(alexnet_farm.file), *options]
        environment = {**os.environ, **alexnet_farm.environment}
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stderr is not None
            seen = ""
            while "measuring" not in seen:
                line = run.stderr.readline()
                assert line, seen
                seen += line
            meter.kill()
            shown, rest = run.communicate(timeout=120)
    # An energy that is INVALID leaves the exit code to the speed.
    assert run.returncode == 0, seen + rest
    assert "Traceback" not in seen + rest
    assert "energy INVALID" in shown
    (trace,) = tmp_path.glob("*.power.csv")
    record = json.loads(trace.with_name(trace.name.replace(".power.csv", ".json")).read_text())
    _expect_invalid(record, r"phase 'run'(: no two good samples| has a gap of| is covered to)")
    again = alexnet_farm.command("power", "analyze", str(trace), "--json")
    assert again.returncode == 1
    assert _figures(json.loads(again.stdout)) == _figures(record["energy"])


class AtTheWindow(Silent):
    """Does something once the window of a run opens."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def phase(self, name: str, total: int | None = None) -> None:
        """Act at the right phase."""
        super().phase(name, total)
        if name == "measuring":
            self._act()


class Runs:
    """Runs of one farm in this process, all with one reference."""

    def __init__(self, farm: Farm) -> None:
        self._options = RunOptions(model=None, target_name="farm", farm_file=farm.file, frames=FRAMES)
        self._reference = reference_for(self._options, plan_of(self._options))

    def run(
        self, out: Path, source: str, act: Callable[[], None] = lambda: None, idle_s: float = IDLE_S
    ) -> tuple[Path, dict[str, Any]]:
        """Measure, file, and give the trace and the record."""
        meter = RunMeter(PowerOptions(source, idle_s))
        meter.ranging_s = RANGING_S
        record = run_benchmark(self._options, progress=AtTheWindow(act), reference=self._reference, meter=meter)
        out.mkdir(exist_ok=True)
        _, trace = file_run(record, meter, out)
        assert trace is not None
        return trace, record.to_document()


@pytest.fixture(scope="module")
def runs(alexnet_farm: Farm) -> Runs:
    """The farm of this module, ready to be run."""
    return Runs(alexnet_farm)


MISHAPS = {
    "frozen": (("SIM:FAULT frozen",), "'frozen'"),
    "restarted": (("SIM:FAULT restarted:after=3",), "'restarted'"),
    "replaced": (("SIM:FAULT replaced", "SIM:FAULT eof:after=3"), "'replaced'"),
}


@pytest.mark.parametrize("what", MISHAPS)
def test_row_25_meter_fails_in_mid_run(alexnet_farm: Farm, runs: Runs, tmp_path: Path, what: str) -> None:
    """A meter frozen, restarted or replaced in the window costs the energy by name, and not the speed."""
    commands, reason = MISHAPS[what]
    with analyzer(alexnet_farm) as meter:
        trace, record = runs.run(tmp_path, meter.resource, lambda: meter.tell(*commands))
    _expect_invalid(record, reason)
    assert what in read_trace(trace).trace.flags


def test_an_unharmed_meter_and_its_replay(alexnet_farm: Farm, runs: Runs, tmp_path: Path) -> None:
    """Control: the same run with nothing done to the meter is VALID; replayed in another run it is not its energy."""
    with analyzer(alexnet_farm) as meter:
        # Long enough for a machine that is busy with other things: a hole in a short phase is a large part of it.
        trace, record = runs.run(tmp_path / "first", meter.resource, idle_s=5.0)
    assert record["energy"]["status"] == "VALID", record["energy"]["reasons"]
    assert set(NAMES) <= set(record["metrics"])
    recorded = record["energy"]["meter"]
    assert recorded["measured"] is False
    _, again = runs.run(tmp_path / "again", f"replay:{trace}")
    replayed = again["energy"]["meter"]
    assert again["verdict"]["status"] == "VALID"
    _expect_invalid(again, "that of a recording, not of this run")
    assert replayed == {**recorded, "name": f"replay of {recorded['name']}", "resource": f"replay:{trace}"}


def _expect_invalid(record: dict[str, Any], reason: str) -> None:
    assert record["verdict"]["status"] == "VALID"
    assert record["metrics"]["frames_verified"] == FRAMES
    assert record["metrics"]["ips"] > 0
    assert record["energy"]["status"] == "INVALID"
    assert any(re.search(reason, found) for found in record["energy"]["reasons"]), record["energy"]["reasons"]
    assert not set(NAMES) & set(record["metrics"])


def _figures(energy: dict[str, Any]) -> dict[str, Any]:
    """All of it but the notes: what the sampler said at its end is not in the trace."""
    return {name: value for name, value in energy.items() if name != "notes"}
