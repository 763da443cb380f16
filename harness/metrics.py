"""The list of metrics: what each is called, its unit, which way is better, and how it is printed.

Command line, records, timer files and tables all read this one list.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Better(Enum):
    """Which direction of a metric is an improvement."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True)
class Metric:
    """One figure that a run may carry.

    Attributes:
        id: its name in records and in `tmp-ck-timer.json`; ends in its unit where it has one.
        label: what people read.
        unit: SI unit or a count.
        better: direction of an improvement.
        show: turns the value into text.
        meaning: how the number is made, in one line.
    """

    id: str
    label: str
    unit: str
    better: Better
    show: Callable[[float], str]
    meaning: str


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _rate(value: float) -> str:
    return f"{value:.2f}"


def _count(value: float) -> str:
    return f"{int(value)}"


def _error(value: float) -> str:
    return f"{value:.1e}"


def _energy(value: float) -> str:
    return f"{value:.4g} J"


def _watts(value: float) -> str:
    return f"{value:.3f} W"


def _product(value: float) -> str:
    return f"{value:.4g} J s"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{int(value)} B"


_METRICS = (
    Metric("ips", "IPS", "1/s", Better.HIGHER, _rate, "distinct, verified frames / window"),
    Metric(
        "execution_time_classify",
        "time per frame",
        "s",
        Better.LOWER,
        _milliseconds,
        "window / distinct, verified frames (not a latency)",
    ),
    Metric("latency_mean_s", "latency mean", "s", Better.LOWER, _milliseconds, "mean of send to verified result"),
    Metric("latency_p50_s", "latency p50", "s", Better.LOWER, _milliseconds, "50th percentile of send to result"),
    Metric("latency_p90_s", "latency p90", "s", Better.LOWER, _milliseconds, "90th percentile of send to result"),
    Metric("latency_p95_s", "latency p95", "s", Better.LOWER, _milliseconds, "95th percentile of send to result"),
    Metric("latency_p99_s", "latency p99", "s", Better.LOWER, _milliseconds, "99th percentile of send to result"),
    Metric("latency_max_s", "latency max", "s", Better.LOWER, _milliseconds, "slowest frame of the window"),
    Metric(
        "energy_total_j",
        "energy per frame",
        "J",
        Better.LOWER,
        _energy,
        "energy of the window / distinct, verified frames",
    ),
    Metric("energy_total_u_j", "  uncertainty", "J", Better.LOWER, _energy, "of the total at k=2"),
    Metric("energy_static_j", "  static", "J", Better.LOWER, _energy, "idle power x window / frames"),
    Metric("energy_static_u_j", "  uncertainty", "J", Better.LOWER, _energy, "of the static part at k=2"),
    Metric("energy_dynamic_j", "  dynamic", "J", Better.LOWER, _energy, "the rest: what inference adds to idling"),
    Metric("energy_dynamic_u_j", "  uncertainty", "J", Better.LOWER, _energy, "of the dynamic part at k=2"),
    Metric("power_idle_w", "idle power", "W", Better.LOWER, _watts, "mean of the idle phases, at the window's middle"),
    Metric("power_run_w", "run power", "W", Better.LOWER, _watts, "mean over the window"),
    Metric("inferences_per_j", "inferences per joule", "1/J", Better.HIGHER, _rate, "frames / total energy"),
    Metric("edp_j_s", "energy-delay product", "J s", Better.LOWER, _product, "energy per frame x time per frame"),
    Metric(
        "energy_measured",
        "energy measured",
        "",
        Better.NEITHER,
        lambda value: "yes" if value else "no: virtual",
        "whether an instrument measured the power of this run",
    ),
    Metric(
        "energy_valid",
        "energy valid",
        "",
        Better.NEITHER,
        lambda value: "yes" if value else "no: INVALID",
        "whether the figures of the energy may be used; where not, there are none",
    ),
    Metric("energy_coverage", "coverage", "", Better.HIGHER, _share, "share of the window with good power samples"),
    Metric("window_s", "window", "s", Better.NEITHER, _seconds, "first send to last verified result"),
    Metric("frames_sent", "sent", "frames", Better.NEITHER, _count, "frames sent in the window"),
    Metric("frames_returned", "returned", "frames", Better.NEITHER, _count, "replies to frames of the window"),
    Metric("frames_distinct", "distinct", "frames", Better.NEITHER, _count, "different frames among the replies"),
    Metric("frames_verified", "verified", "frames", Better.NEITHER, _count, "distinct frames equal to the reference"),
    Metric("frames_dropped", "dropped", "frames", Better.LOWER, _count, "frames due but not sent (open loop)"),
    Metric("largest_error", "largest error", "", Better.LOWER, _error, "max |output - reference| over all frames"),
    Metric(
        "reference_separation",
        "separation",
        "",
        Better.NEITHER,
        _error,
        "smallest distance between references of two frames: what the check can tell apart",
    ),
    Metric(
        "wire_error", "wire error", "", Better.LOWER, _error, "max |output - f32 output| that rounding the wire costs"
    ),
    Metric("wire_top1", "  same class", "", Better.HIGHER, _share, "images whose most likely class the wire leaves"),
    Metric("in_flight", "in flight", "frames", Better.NEITHER, _count, "frames under way at once (closed loop)"),
    Metric("rate_fps", "offered rate", "1/s", Better.NEITHER, _rate, "frames due per second (open loop)"),
    Metric("bytes_per_frame", "bytes per frame", "B", Better.LOWER, _bytes, "payload on all edges for one frame"),
    Metric("nodes_cpu_s", "CPU of nodes", "s", Better.NEITHER, _seconds, "CPU time of all nodes in the window"),
    Metric("nodes_rss_bytes", "memory of nodes", "B", Better.LOWER, _bytes, "resident memory of all nodes"),
    Metric("cpu_s", "CPU", "s", Better.NEITHER, _seconds, "CPU time of the measuring process in the window"),
    Metric("rss_bytes", "memory", "B", Better.LOWER, _bytes, "resident memory of the measuring process"),
)

METRICS: dict[str, Metric] = {metric.id: metric for metric in _METRICS}
"""Every metric by its id, in the order in which tables show them."""

ENERGY_FIGURES = {
    "power_idle_w": "idle_w",
    "power_run_w": "run_w",
    "energy_total_j": "total_j_per_frame",
    "energy_total_u_j": "u_total_j_per_frame",
    "energy_static_j": "static_j_per_frame",
    "energy_static_u_j": "u_static_j_per_frame",
    "energy_dynamic_j": "dynamic_j_per_frame",
    "energy_dynamic_u_j": "u_dynamic_j_per_frame",
    "inferences_per_j": "inferences_per_j",
    "edp_j_s": "edp_j_s",
    "energy_coverage": "coverage",
}
"""Metric -> the field of `power.energy.Energy` that it is, per distinct, verified frame where it is an energy."""


def show(metric_id: str, value: float) -> str:
    """Turn a value into text with its unit (KeyError for a metric that is not on the list)."""
    return METRICS[metric_id].show(value)


def written(value: float, u: float | None = None) -> str:
    """A figure with the digits that its uncertainty leaves: two of the uncertainty, and as many decimals.

    GUM (JCGM 100:2008) 7.2.6. Four significant digits where no uncertainty is known.

    Args:
        value: the figure.
        u: its uncertainty, in the same unit.
    """
    known = u is not None and u > 0 and math.isfinite(u)
    size = u if known and u is not None else abs(value)
    digits = 2 if known else 4
    if size == 0 or not math.isfinite(size):
        return f"{value:g}"
    decimals = min(max(digits - 1 - math.floor(math.log10(size)), 0), 12)
    return f"{value:.{decimals}f}"
