"""The figures of a measured window, from its raw samples alone (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.records.record import FrameSample
from harness.records.statistics import percentile, supported_percentiles


def window_metrics(samples: Sequence[FrameSample]) -> dict[str, float]:
    """Throughput and latency of a window, from its raw samples alone.

    The window runs from the first send to the last verified result, so the time that the first frame needs to
    pass the whole farm is part of it. Percentiles that the number of samples does not support are left out.
    """
    done = [sample.verified_s for sample in samples if sample.verified_s is not None]
    latencies = [sample.latency_s for sample in samples if sample.latency_s is not None]
    if not done or max(done) <= 0:
        return {}
    window_s = max(done)
    figures = {
        "ips": len(done) / window_s,
        "execution_time_classify": window_s / len(done),
        "latency_mean_s": math.fsum(latencies) / len(latencies),
    }
    figures |= {f"latency_p{p}_s": percentile(latencies, p) for p in supported_percentiles(len(latencies))}
    return figures | {"latency_max_s": max(latencies), "window_s": window_s}
