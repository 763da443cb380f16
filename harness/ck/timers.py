"""The timer file: how figures get from a run into Collective Knowledge.

CK reads `tmp-ck-timer.json` after the program, merges its keys into `characteristics.run` and keeps
statistics of every number in it; texts become `characteristics.run.*` too. A run that is not valid must leave none: its
absence is how CK learns of a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import InvalidRunError
from harness.records.record import Record
from harness.records.store import record_path, write_document

TIMER_FILE = "tmp-ck-timer.json"
PER_FRAME = "execution_time_classify"
"""Seconds per distinct, verified frame: the metric whose two CK names are below."""
WHOLE = "execution_time"


SCOREBOARD_NAMES = {
    "inference_throughput": "ips",
    "prediction_time_avg_s": PER_FRAME,
    "inference_latency": "latency_mean_s",
}
"""Dimension of the scoreboard `request.asplos18` -> the metric that it is; without the metric there is no dimension."""
RECORD_KEY, RUN_KEY, EMULATED_KEY, WIRE_KEY = "iot_farm_record", "iot_farm_run", "emulated", "wire"


def identity_of(record: Record) -> dict[str, str]:
    """What leads from CK's figures back to the raw record.

    Returns:
        Stem of the record's file, identity of its run, the emulated device ("no" for none), and how tensors were
        rounded between blocks, where they were.
    """
    return {
        RECORD_KEY: record_path(record, Path()).stem,
        RUN_KEY: record.run,
        EMULATED_KEY: record.emulated or "no",
        **({} if record.wire is None else {WIRE_KEY: record.wire["encoding"]}),
    }


def write_timer(path: Path, metrics: Mapping[str, float], identity: Mapping[str, str] | None = None) -> None:
    """Write the timer file: CK's two keys and every metric under its own name; whole or not at all.

    Args:
        path: usually `tmp-ck-timer.json` in the working directory.
        metrics: figures of a valid run by their name in `harness.metrics`.
        identity: texts that say which run it was.

    Raises:
        InvalidRunError: the time per frame is missing, or a figure is not a finite number.
        BadInputError: the folder cannot be written.
    """
    per_frame = metrics.get(PER_FRAME)
    if per_frame is None or not per_frame > 0:
        raise InvalidRunError(f"the run has no {PER_FRAME}, so there is nothing to tell CK")
    named = {name: metrics[metric] for name, metric in SCOREBOARD_NAMES.items() if metric in metrics}
    try:
        write_document(path, {**(identity or {}), **metrics, **named, WHOLE: per_frame, PER_FRAME: per_frame})
    except ValueError as error:
        raise InvalidRunError(f"a figure of the run is not a finite number: {error}") from None
