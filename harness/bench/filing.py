"""Files a run: its record, and beside it the power trace from which its energy can be made again."""

from __future__ import annotations

from pathlib import Path

from harness.bench.energy import RunMeter
from harness.records.manifest import TRACE, beside
from harness.records.record import Record
from harness.records.store import make_folder, record_path, write_record


def file_run(record: Record, meter: RunMeter | None, folder: Path) -> tuple[Path, Path | None]:
    """Write what a run left behind: the trace first, since the record's manifest holds its digest.

    Args:
        record: of the run.
        meter: its meter; None where no energy was measured.
        folder: of the records.

    Returns:
        Paths of the record and of the trace.

    Raises:
        BadInputError: the folder cannot be written.
    """
    trace = None
    if meter is not None and record.energy is not None:
        trace = beside(record_path(record, folder), TRACE)
        make_folder(folder)
        meter.write(trace, record.metrics)
    return write_record(record, folder), trace
