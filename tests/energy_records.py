"""Records with energy on disk, as a run files them: raw frames, the energy of a known trace, the trace beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from power_traces import METER, PHASES, measurement
from run_records import run_record, steady_frames

from harness.metrics import ENERGY_FIGURES
from harness.records.manifest import TRACE, beside
from harness.records.record import Verdict
from harness.records.store import record_path, write_record
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
    record = run_record(
        model=model,
        target=target,
        devices=devices,
        device=device,
        frames=steady_frames(frames, RUN_S / frames),
        verdict=verdict,
        started_utc=started_utc,
        run=run,
    )
    metrics = record.metrics
    if meter is None:
        return write_record(record, folder)
    trace = replace(trace or measurement(), meter=meter)
    pace = Pace(metrics["window_s"], metrics["latency_mean_s"])
    document = analyze(trace, PHASES, frames, pace=pace).to_document()
    figures: dict[str, Any] = {}
    if document["status"] == "VALID":
        figures = {metric: document[name] for metric, name in ENERGY_FIGURES.items() if document[name] is not None}
        figures["energy_measured"] = 1.0 if meter.measured else 0.0
    record = replace(record, metrics=metrics | figures, energy=document)
    write_trace(beside(record_path(record, folder), TRACE), trace, PHASES, frames, pace)
    return write_record(record, folder)


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
