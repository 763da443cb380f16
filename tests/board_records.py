"""Documents of runs for the scoreboard's tests, what a checker says of them, and rows made of both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from power_traces import METER, PHASES, measurement

from harness.board.detail import detail_of_published, detail_of_record
from harness.board.row import Row, good, row_of_published, row_of_record
from harness.board.sources import Collection, Found
from harness.records.published import read_published
from harness.records.record import FrameSample
from harness.records.window import window_metrics
from power.trace_file import write_trace

VIRTUAL_METER = replace(METER, name="Virtual analyzer", measured=False)
ENERGY_J = {"energy_static_j": 0.9, "energy_dynamic_j": 0.4, "energy_total_j": 1.3}
U_J = {"energy_static_u_j": 0.021, "energy_dynamic_u_j": 0.0123, "energy_total_u_j": 0.024}


@dataclass(frozen=True)
class SaidFinding:
    """One rule, as a checker would have seen it."""

    rule: str
    title: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True)
class SaidAudit:
    """What a checker would say: it stands in for one where a test is about the pages."""

    status: str = "VALID"
    findings: tuple[SaidFinding, ...] = (
        SaidFinding("counts", "every frame that was sent came back once and is right", True, "200 = 200 = 200 = 200"),
        SaidFinding("clocks", "clocks did not change", None, "the governor is unknown"),
    )
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)


def document(
    *,
    model: str = "alexnet",
    target: str = "farm-5-local",
    devices: int = 5,
    device: str | None = None,
    frames: int = 200,
    step_s: float = 0.25,
    power: str | None = None,
    measured: bool = True,
    emulated: str | None = None,
    kind: str = "official",
    started_utc: str = "2026-02-03T04:05:06.789+00:00",
    **changes: Any,
) -> dict[str, Any]:
    """A record as it is read, with frames one after the other; the latency of every tenth is double."""
    samples = [
        {
            "frame": frame,
            "image": frame % 8,
            "sent_s": step_s * frame,
            "verified_s": step_s * (frame + (2 if frame % 10 == 9 else 1)),
            "replies": 1,
            "error": 2e-8,
        }
        for frame in range(frames)
    ]
    environment = {"machine": "aarch64", "governor": "performance", "packages": {"numpy": "2.4.6"}, "load_1min": 0.5}
    after = {**environment, "load_1min": 1.75}
    return {
        "format": "ck-iot-farm run",
        "version": 2,
        "run": "0123456789abcdef",
        "started_utc": started_utc,
        "ended_utc": started_utc,
        "kind": kind,
        "target": {"name": target, "kind": "host" if device else "farm", "devices": devices, "device": device},
        "model": {"name": model, "weights": "seed:1:2018", "seed": 2018, "fingerprint": "00ff"},
        "plan": {} if device else {"partition": f"{model}-{devices}"},
        "options": {"frames": frames, "seed": 2018, "power": {"source": power, "idle_s": 30.0} if power else None},
        "frames": samples,
        "tolerance": 1e-6,
        "measured": True,
        "emulated": emulated,
        "energy": {"meter": {"measured": measured}} if power else None,
        "declared": None,
        "devices": [{"name": target, "roles": ["initial"], "before": environment, "after": after}],
        "manifest": {"files": {}, "record_sha256": "00"},
        **changes,
    }


def figures(content: dict[str, Any], *, scale: float = 1.0) -> dict[str, float]:
    """What a checker would make again from the frames; the energies are made up."""
    samples = tuple(FrameSample(**frame) for frame in content["frames"])
    found = {**window_metrics(samples), "frames_verified": float(len(samples))}
    if content["energy"]:
        found |= {name: scale * value for name, value in (ENERGY_J | U_J).items()}
    return found


def found(content: dict[str, Any], *, trace: Path | None = None, scale: float = 1.0, **audit: Any) -> Found:
    """Row and detail of a document, with the checker's word for it."""
    said = SaidAudit(**({"figures": figures(content, scale=scale)} | audit))
    name = f"20260203T040506789-{content['run'][:8]}"
    return Found(row_of_record(content, said, name), detail_of_record(content, said, trace))


def row(**changes: Any) -> Row:
    """The row of a VALID run with some changes."""
    return replace(found(document()).row, **changes)


def collection(folder: Path) -> Collection:
    """Ten runs of two models beside the published figures: measured, virtual, emulated, quick, and some not valid."""
    trace = folder / "run.power.csv"
    folder.mkdir(parents=True, exist_ok=True)
    write_trace(trace, replace(measurement(), meter=VIRTUAL_METER), PHASES, 240, None)
    priced = {
        "price_usd": 200.0,
        "price_date": "2026-01-05",
        "price_source": "the shop's receipt",
        "peak_power_w": 25.0,
    }
    priced["peak_power_source"] = "data sheet"
    runs = [
        found(document(step_s=0.4, power="virtual", measured=False, emulated="rpi3"), trace=trace, scale=2.1),
        found(document(target="farm-6-local", devices=6, step_s=0.25, power="virtual", measured=False), trace=trace),
        found(document(target="farm-on-the-bench", step_s=0.3, power="USB::1::INSTR", declared=priced), scale=1.4),
        found(document(target="host", devices=1, device="cpu", step_s=0.018, frames=900, power="rapl"), scale=0.1),
        found(document(target="host", devices=1, device="gpu", step_s=0.009, frames=400, kind="quick")),
        found(
            document(model="vgg16", target="farm-11-local", devices=11, step_s=0.8, power="virtual", measured=False),
            scale=12,
        ),
        found(document(model="vgg16", target="farm-9-local", devices=9, step_s=1.6, kind="quick")),
        found(document(model="vgg16", target="host", devices=1, device="cpu", step_s=0.2, power="rapl"), scale=3),
        found(
            document(target="farm-5-broken", step_s=0.21),
            status="INVALID",
            reasons=("3 of 200 results differ from the single-device reference",),
            findings=(SaidFinding("equal", "results equal the reference", False, "3 of 200 differ"),),
        ),
        found(document(target="farm-5-killed", frames=20), status="INCOMPLETE", reasons=("the run was broken off",)),
    ]
    published = [Found(row_of_published(one), detail_of_published(one)) for one in read_published()]
    ordered = sorted([*runs, *published], key=lambda one: good(one.row))
    return Collection(tuple(ordered), ("half.json is no JSON as records use it",), frozenset({folder.resolve()}))
