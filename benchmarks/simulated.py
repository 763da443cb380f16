"""Simulated farms beside measured ones, and a million devices: `python -m benchmarks.simulated`, five minutes.

Each round measures the paper's four farms on loopback, one after the other, fits the simulation to that round's AlexNet
on five devices, and predicts the other three, which the fit has not seen. `--records FOLDER` takes records that are
there instead, oldest first, as many rounds as there are runs of each.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.avro_farm import AvroFarm
from benchmarks.farms import write_farm
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.samples import spread
from harness.errors import UserError
from harness.partition.paper import partition, partition_names
from harness.records.statistics import percentile, samples_needed
from harness.simulate.against import FIGURES, Asked, Prediction, asked_by, predict_run
from harness.simulate.fit import fit_record

_FITTED = "alexnet-5"
_FRAMES = {"alexnet-5": 1000, "alexnet-6": 1000, "vgg16-9": 72, "vgg16-11": 77}
"""So many that a 90th percentile has samples enough (64), and the same number for every replica."""
_FEWEST = 20
_AIMS = {"ips": 10.0, "latency_p50_s": 20.0, "latency_p90_s": 20.0}
_TAIL = 90
_MILLION, _MILLION_S, _MILLION_MB = 1_000_000, 120.0, 2000.0


def measure(name: str, folder: Path) -> Path:
    """Start a paper's farm on this machine, run it once, stop it; the record.

    Raises:
        BenchmarkError: a command failed, or the run is not VALID.
    """
    cut = partition(name)
    place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    farm = AvroFarm(
        model=cut.graph.name,
        partition=name,
        farm_file=write_farm(cut, 64 + os.getpid() % 64, place),
        seed=2018,
        frames=_FRAMES[name],
        folder=place,
    )
    try:
        farm.start()
        farm.slot()
    finally:
        farm.stop()
    return next((place / "runs").glob("*-*.json"))


def measured_rounds(rounds: int, folder: Path) -> list[dict[str, Path]]:
    """Records of each cut, round by round."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        found.append({name: measure(name, folder) for name in partition_names()})
    return found


def rounds_of(folder: Path) -> list[dict[str, Path]]:
    """Records that are there, the oldest of each cut in the first round; those that are not VALID are told and left."""
    by_cut: dict[str, list[Path]] = {name: [] for name in partition_names()}
    for path in sorted(folder.rglob("*.json"), key=lambda one: one.name):
        try:
            asked = asked_by(path)
        except UserError:
            continue
        if asked.measured and asked.frames >= _FEWEST and asked.plan.partition.name in by_cut:
            by_cut[asked.plan.partition.name].append(path)
    return [dict(zip(by_cut, paths, strict=True)) for paths in zip(*by_cut.values(), strict=False)]


def predictions(rounds: Sequence[dict[str, Path]]) -> dict[str, list[Prediction]]:
    """Each cut's predictions, one for each round, by the fit of that round."""
    found: dict[str, list[Prediction]] = {name: [] for name in partition_names()}
    for records in rounds:
        calibration = fit_record(records[_FITTED])
        for name, path in records.items():
            asked: Asked = asked_by(path)
            found[name].append(predict_run(calibration, asked))
    return found


def error_goals(found: dict[str, list[Prediction]]) -> list[Goal]:
    """How far predictions are off, cut by cut; the fitted run itself is no goal.

    Where one run has too few frames for a 90th percentile, those of all rounds together may have enough.
    """
    goals = []
    for name, made in found.items():
        if name == _FITTED:
            continue
        for figure in FIGURES:
            errors = [abs(error) * 100 for one in made if (error := one.error(figure)) is not None]
            shown = "IPS" if figure == "ips" else figure.removesuffix("_s")
            text = f"{name}: predicted against measured {shown}, error"
            goals.append(
                Goal.of(text, spread(errors) if errors else None, _AIMS[figure], at_least=False, unit=" %", digits=1)
            )
        goals.append(pooled_goal(name, made))
    return goals


def pooled_goal(name: str, made: Sequence[Prediction]) -> Goal:
    """The 90th percentile over the frames of all rounds."""
    measured_s = [value for one in made for value in one.asked.latencies_s]
    predicted_s = [value for one in made for value in one.outcome.latencies_s]
    error = None
    if min(len(measured_s), len(predicted_s)) >= samples_needed(_TAIL):
        error = abs(percentile(predicted_s, _TAIL) / percentile(measured_s, _TAIL) - 1) * 100
    text = f"{name}: the same of latency_p90 over all {len(measured_s)} frames"
    return Goal(text, error, _AIMS["latency_p90_s"], at_least=False, unit=" %", digits=1)


def million(model: str) -> list[Goal]:
    """Simulate a million devices in a process of its own; its time and memory."""
    begun_s = time.monotonic()
    command = [sys.executable, "-m", "harness", "simulate", "--model", model, "--devices", str(_MILLION)]
    subprocess.run(command, check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    spent_s = time.monotonic() - begun_s
    # Of the largest child so far: no other one comes near to the goal.
    memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    what = f"{model}, {_MILLION:,} devices simulated"
    return [
        Goal(what, spent_s, _MILLION_S, at_least=False, unit=" s", digits=1),
        Goal(f"{what}, memory", memory_mb, _MILLION_MB, at_least=False, unit=" MB", digits=0),
    ]


def main() -> int:
    """Print both tables; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, help="take records of this folder instead of measuring")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("results/bench/simulated"), help="takes what is measured")
    chosen = parser.parse_args()
    goals = [goal for model in ("alexnet", "vgg16") for goal in million(model)]
    found = predictions(rounds_of(chosen.records) if chosen.records else measured_rounds(chosen.rounds, chosen.folder))
    rows = [
        [
            name,
            str(one.asked.frames),
            figure,
            _number(one.predicted(figure)),
            _number(one.measured(figure)),
            _error(one, figure),
        ]
        for name, made in found.items()
        for one in made
        for figure in FIGURES
    ]
    print("\n".join(table(["cut", "frames", "figure", "predicted", "measured", "error"], rows)))
    goals += error_goals(found)
    print("\n".join(["", *table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])]))
    return 0 if all(goal.met is not False for goal in goals) else 1


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _error(one: Prediction, figure: str) -> str:
    error = one.error(figure)
    return "unknown" if error is None else f"{error:+.1%}"


if __name__ == "__main__":
    sys.exit(main())
