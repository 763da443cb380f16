"""Many processes that file records into one folder at the same time."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.audit.kills import renamed, template
from harness.records.index import read_index
from harness.records.record import Record
from harness.records.store import read_records, write_record


@dataclass(frozen=True)
class Written:
    """What is in the folder after all of them.

    Attributes:
        asked: records that were to be filed.
        records: whole records in the folder.
        lines: lines of the index that name one of them with its digest.
        problems: breaks in the chain of the index.
    """

    asked: int
    records: int
    lines: int
    problems: int


def write_together(folder: Path, processes: int, each: int) -> Written:
    """Let so many processes file so many records each.

    Args:
        folder: empty; takes a folder of records.
        processes: how many at once.
        each: records of one of them.
    """
    record = replace(template(folder / "template")[0], energy=None)
    records = folder / "records"
    context = multiprocessing.get_context("fork")
    start = context.Barrier(processes)
    writers = [context.Process(target=_write, args=(record, records, one, each, start)) for one in range(processes)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = {path.name: document["manifest"]["record_sha256"] for path, document in read_records(records)}
    lines, problems = read_index(records)
    right = {line.file for line in lines if found.get(line.file) == line.record_sha256}
    return Written(processes * each, len(found), len(right) if len(right) == len(lines) else 0, len(problems))


def _write(record: Record, folder: Path, one: int, each: int, start: multiprocessing.synchronize.Barrier) -> None:
    start.wait()
    for number in range(each):
        write_record(renamed(record, one, number), folder)
