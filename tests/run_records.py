"""Records as a run makes them, consistent in every number: what the checker calls VALID."""

from __future__ import annotations

from typing import Any

from harness.metrics import METRICS
from harness.records.environment import UNKNOWN
from harness.records.record import FrameSample, Record, Verdict
from harness.records.rules_frames import counted
from harness.records.window import window_metrics

TOLERANCE = 1e-6
FINGERPRINT = "00ff"
WEIGHTS = "seed:1:2018"
IMAGES = 8


def environment(**changes: Any) -> dict[str, Any]:
    """A device of which everything is known."""
    known = {
        "machine": "x86_64",
        "system": "Linux",
        "kernel": "6.1",
        "board": UNKNOWN,
        "cpu": "a processor",
        "cores": 2,
        "governor": "performance",
        "frequency_khz": 1_200_000,
        "frequency_min_khz": 600_000,
        "frequency_max_khz": 1_200_000,
        "throttled": 0,
        "temperature_c": 45.0,
        "memory_bytes": 2**30,
        "memory_available_bytes": 2**29,
        "swap_used_bytes": 0,
        "load_1min": 0.5,
        "uptime_s": 1000.0,
        "python": "3.11.2",
        "packages": {"ck-iot-farm": "0.1.0", "numpy": "2.0"},
        "revision": "0123456789ab",
    }
    return known | changes


def steady_frames(count: int, step_s: float) -> tuple[FrameSample, ...]:
    """So many frames, one after the other, each back after one step."""
    return tuple(
        FrameSample(frame, frame % IMAGES, step_s * frame, step_s * (frame + 1), 1, 2e-8) for frame in range(count)
    )


def run_record(
    *,
    model: str = "alexnet",
    target: str = "farm-5-local",
    devices: int = 5,
    device: str | None = None,
    frames: tuple[FrameSample, ...] | None = None,
    verdict: Verdict | None = None,
    started_utc: str = "2026-02-03T04:05:06.789+00:00",
    ended_utc: str = "2026-02-03T06:05:06.789+00:00",
    run: str = "0123456789abcdef",
) -> Record:
    """One run: on a chain of nodes, or where a device is named, on that device alone."""
    samples = steady_frames(20, 0.1) if frames is None else frames
    metrics: dict[str, float] = {
        **window_metrics(samples),
        **counted(list(samples), TOLERANCE),
        "frames_dropped": 0,
        "reference_separation": 1e-3,
        "cpu_s": 1.0,
        "rss_bytes": 1e6,
    }
    roles = [f"block{number}" for number in range(1, devices)] if device is None else []
    hosts = {role: f"127.0.0.{number}" for number, role in enumerate(roles, start=2)}
    nodes = tuple(_node(model, role, hosts[role], samples, run) for role in roles)
    plan: dict[str, Any] = {}
    target_document: dict[str, Any] = {"name": target, "kind": "host", "devices": 1, "device": device}
    looks = {"before": environment(), "after": environment()}
    found: tuple[dict[str, Any], ...] = ({"name": "host", "roles": ["initial"], **looks},)
    if roles:
        metrics |= {
            "nodes_cpu_s": sum(node["statistics"]["cpu_s"] for node in nodes),
            "nodes_rss_bytes": sum(node["statistics"]["rss_bytes"] for node in nodes),
            "bytes_per_frame": 1000,
            "in_flight": 1,
        }
        plan = {
            "model": model,
            "partition": f"{model}-{devices}",
            "devices": devices,
            "initial": "127.0.0.1:9999",
            "bytes_per_frame": 1000,
            "nodes": [
                {"address": f"{hosts[role]}:12345", "role": role, "part": 0, "parts": 1, "replica": 0} for role in roles
            ],
            "edges": [],
            "roles": [],
        }
        addresses = {role: [f"{host}:12345"] for role, host in hosts.items()}
        target_document = {
            "name": target,
            "kind": "farm",
            "devices": devices,
            "roles": {"initial": ["127.0.0.1:9999"], **addresses},
        }
        found = (
            {"name": "127.0.0.1", "roles": ["initial"], **looks},
            *({"name": host, "roles": [role], **looks} for role, host in hosts.items()),
        )
    assert metrics.keys() <= METRICS.keys()
    return Record(
        run=run,
        started_utc=started_utc,
        ended_utc=ended_utc,
        target=target_document,
        model={"name": model, "weights": WEIGHTS, "seed": 2018, "fingerprint": FINGERPRINT},
        plan=plan,
        options={"frames": len(samples), "weights": None, "least_s": 0.0},
        devices=found,
        nodes=nodes,
        frames=samples,
        metrics=metrics,
        verdict=verdict or Verdict(),
        tolerance=TOLERANCE,
    )


def _node(model: str, role: str, host: str, frames: tuple[FrameSample, ...], run: str) -> dict[str, Any]:
    count = len(frames)
    window_s = max((frame.verified_s or 0.0 for frame in frames), default=0.0)
    return {
        "description": {
            "software": "ck-iot-farm 0.1.0",
            "host": host,
            "port": 12345,
            "role": role,
            "part": 0,
            "parts": 1,
            "replica": 0,
            "model": model,
            "partition": "a chain",
            "weights": WEIGHTS,
            "model_fingerprint": FINGERPRINT,
            "block_fingerprint": "aa",
            "threads": 1,
        },
        "statistics": {
            "run": run,
            "received": count,
            "computed": count,
            "sent": count,
            "duplicates": 0,
            "refused": 0,
            "bytes_in": 500 * count,
            "bytes_out": 500 * count,
            "cpu_s": window_s / 10,
            "wall_s": window_s,
            "rss_bytes": 100_000_000,
            "compute_s": [window_s / 10 / max(1, count)] * count,
            "queue_s": [1e-4] * count,
            "errors": [],
        },
    }
