"""Records with energy on disk, as a run files them: raw frames, the energy of a known trace, the trace beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from power_traces import METER, PHASES, measurement

from harness.bench.ledger import window_metrics
from harness.metrics import ENERGY_FIGURES
from harness.records.record import FrameSample, Record, Verdict
from harness.records.store import write_record
from power.arithmetic import Pace
from power.energy import analyze
from power.meter import MeterInfo
from power.trace import Trace
from power.trace_file import write_trace

VIRTUAL_METER = replace(METER, name="Virtual analyzer", identity="TEST,VIRTUAL,1,1", measured=False)
RUN_S = 60.0


def flagged(trace: Trace, begin_s: float, end_s: float, flag: str = "timeout") -> Trace:
    """The trace without the values of some seconds."""
    hit = (trace.at_s >= begin_s) & (trace.at_s < end_s)
    watts = np.where(hit, np.nan, trace.power_w)
    return replace(trace, power_w=watts, flags=tuple(flag if one else "" for one in hit.tolist()))


def file_record(
    folder: Path,
    *,
    model: str = "alexnet",
    target: str = "farm-5-local",
    devices: int = 5,
    device: str | None = None,
    frames: int = 300,
    meter: MeterInfo | None = METER,
    trace: Trace | None = None,
    verdict: Verdict | None = None,
    started_utc: str = "2026-02-03T04:05:06.789+00:00",
    run: str = "0123456789abcdef",
) -> Path:
    """Write a record and its trace; without a meter a record alone. Returns the record's path."""
    folder.mkdir(parents=True, exist_ok=True)
    step_s = RUN_S / frames
    samples = tuple(
        FrameSample(frame, frame % 8, step_s * frame, step_s * (frame + 1), 1, 2e-8) for frame in range(frames)
    )
    metrics = {**window_metrics(samples), "frames_verified": frames}
    record = Record(
        run=run,
        started_utc=started_utc,
        target={"name": target, "kind": "host" if device else "farm", "devices": devices, "device": device},
        model={"name": model, "weights": "seed:1:2018", "seed": 2018, "fingerprint": "00ff"},
        plan={},
        options={"frames": frames},
        environment={"machine": "x86_64"},
        nodes=(),
        frames=samples,
        metrics=metrics,
        verdict=verdict or Verdict(),
        tolerance=1e-6,
    )
    if meter is None:
        return write_record(record, folder)
    trace = replace(trace or measurement(), meter=meter)
    pace = Pace(metrics["window_s"], metrics["latency_mean_s"])
    document = analyze(trace, PHASES, frames, pace=pace).to_document()
    figures: dict[str, Any] = {}
    if document["status"] == "VALID":
        figures = {metric: document[name] for metric, name in ENERGY_FIGURES.items() if document[name] is not None}
    path = write_record(replace(record, metrics=metrics | figures, energy=document), folder)
    write_trace(path.with_suffix(".power.csv"), trace, PHASES, frames, pace)
    return path


def paper_like(folder: Path) -> Path:
    """Two models on a processor and farms: measured and virtual, one INVALID, one without energy."""
    scaled = measurement(idle_w=6.5)
    file_record(folder, target="host", devices=1, device="cpu", frames=333, meter=METER, run="a1" * 8)
    file_record(folder, target="host", devices=1, device="gpu", frames=428, meter=METER, trace=scaled, run="a2" * 8)
    file_record(folder, target="farm-6-local", devices=6, frames=342, meter=VIRTUAL_METER, run="a3" * 8)
    holes = flagged(measurement(), 50.0, 57.0)
    file_record(folder, target="farm-5-local", devices=5, frames=261, meter=VIRTUAL_METER, trace=holes, run="a4" * 8)
    short = flagged(measurement(idle_w=10.0), 60.0, 61.0, "nan")
    file_record(folder, model="vgg16", target="farm-11-local", devices=11, frames=67, trace=short, run="a5" * 8)
    file_record(folder, model="vgg16", target="farm-9-local", devices=9, frames=29, meter=None, run="a6" * 8)
    return folder
