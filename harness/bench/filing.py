"""Files a run: its record, and beside it the power trace from which its energy can be made again."""

from __future__ import annotations

from pathlib import Path

from harness.bench.energy import RunMeter
from harness.records.record import Record
from harness.records.store import write_record

TRACE_SUFFIX = ".power.csv"
"""In place of a record's ".json": the trace that belongs to it."""


def file_run(record: Record, meter: RunMeter | None, folder: Path) -> tuple[Path, Path | None]:
    """Write what a run left behind.

    Args:
        record: of the run.
        meter: its meter; None where no energy was measured.
        folder: of the records.

    Returns:
        Paths of the record and of the trace.

    Raises:
        BadInputError: the folder cannot be written.
    """
    path = write_record(record, folder)
    if meter is None:
        return path, None
    trace = path.with_suffix(TRACE_SUFFIX)
    meter.write(trace, record.metrics)
    return path, trace
