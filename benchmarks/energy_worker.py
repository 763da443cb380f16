"""A process that runs a farm with the energy meter again and again, as its parent asks."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.child import say
from benchmarks.contestant import BenchmarkError
from benchmarks.switched_meter import SwitchedMeter
from benchmarks.witness import WitnessedMeter
from harness.bench.energy import PowerOptions
from harness.bench.options import RunOptions
from harness.bench.reference import Reference
from harness.bench.right_answers import reference_for
from harness.bench.session import plan_of, run_benchmark
from harness.errors import UserError
from harness.records.record import Record
from power.errors import PowerError


def main() -> None:
    """Compute the reference, say so, then serve lines of JSON until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--farm", type=Path, required=True)
    parser.add_argument("--partition", required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    options = RunOptions(
        model=None, target_name=given.farm.stem, farm_file=given.farm, partition=given.partition, seed=given.seed
    )
    try:
        reference = reference_for(options, plan_of(options))
        say({"ready": reference.model_fingerprint})
        for line in sys.stdin:
            say(_run(options, reference, json.loads(line)))
    except (UserError, PowerError, BenchmarkError) as error:
        say({"error": str(error)})


def _run(options: RunOptions, reference: Reference, request: dict[str, Any]) -> dict[str, Any]:
    options = replace(options, frames=int(request["frames"]))
    power = PowerOptions("virtual", idle_s=float(request["idle_s"]))
    meter = SwitchedMeter(power) if request["switched"] else WitnessedMeter(power)
    record = run_benchmark(options, reference=reference, meter=meter)
    answer = {
        **_speed(record),
        "energy": record.energy,
        "seen": {name: asdict(seen) for name, seen in meter.seen.items()},
        "analyzer_dynamic_j": meter.analyzer_dynamic_j,
        "sampler_cpu_s": meter.sampler_cpu_s,
        "analyzer_cpu_s": meter.analyzer_cpu_s,
        "wall_s": meter.wall_s,
    }
    if isinstance(meter, SwitchedMeter):
        verified_s = [sample.verified_s for sample in record.frames if sample.verified_s is not None]
        switches = [asdict(switch) for switch in meter.switches]
        answer |= {"verified_s": verified_s, "switches": switches, "off_s": meter.off_s}
    return answer


def _speed(record: Record) -> dict[str, Any]:
    return {"metrics": record.metrics, "reasons": list(record.verdict.reasons)}


if __name__ == "__main__":
    main()
