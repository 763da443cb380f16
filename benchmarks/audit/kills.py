"""SIGKILL at random moments while a process files records with traces: is anything lost, or half there?"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.audit.good_records import metered
from harness.errors import BadInputError
from harness.records.check import check_file
from harness.records.index import read_index
from harness.records.manifest import TRACE, beside, broken_seals, seal
from harness.records.record import FrameSample, Kind, Record, Verdict
from harness.records.store import make_folder, read_record, record_path, write_record, write_whole

_LIFE_RECORDS: Final = 4
"""A child is killed before it can have filed more records than this: within the first one, or a few later."""
_READY: Final = b"ready\n"


@dataclass(frozen=True)
class Killed:
    """What was there after all the kills.

    Attributes:
        kills: processes that were killed.
        acknowledged: records whose writer had said that they are filed.
        lost: of these, those that are gone, unreadable, not VALID, or not in the index.
        unreadable: files that look like records and are none, or whose trace is not theirs.
        torn: lines of the index that a writer left unfinished.
        unacknowledged: whole records whose writer died before it could say so.
    """

    kills: int
    acknowledged: int
    lost: int
    unreadable: int
    torn: int
    unacknowledged: int


Write = Callable[[Record, bytes, Path], Path]


def file_record(record: Record, trace: bytes, folder: Path) -> Path:
    """File a record as `iot-farm run` does: the trace, the record, the line of the index."""
    make_folder(folder)
    write_whole(beside(record_path(record, folder), TRACE), trace)
    return write_record(record, folder)


def file_plainly(record: Record, trace: bytes, folder: Path) -> Path:
    """The control: open, write, close."""
    path = record_path(record, folder)
    beside(path, TRACE).write_bytes(trace)
    with path.open("w", encoding="utf-8") as stream:
        json.dump(seal(record.to_document(), {TRACE: beside(path, TRACE)}), stream)
    return path


def kill_writers(folder: Path, kills: int, write: Write = file_record, *, seed: int = 1) -> Killed:
    """Kill so many writers, one after the other, in one folder; look at everything that is left.

    Args:
        folder: empty; takes a folder of records.
        kills: how many.
        write: how they file a record.
        seed: of the moments.
    """
    record, trace = template(folder / "template")
    records = folder / "records"
    records.mkdir()
    chance = random.Random(seed)  # noqa: S311  moments, no secrets
    acknowledged: list[str] = []
    for number in range(kills):
        # Timed anew each time: on a busy machine a record takes many times as long.
        latest_s = _LIFE_RECORDS * _seconds_of(write, record, trace, folder / "timed")
        acknowledged += _one_life(record, trace, records, number, write, chance.uniform(0, latest_s))
    return _account(records, kills, acknowledged, indexed=write is file_record)


def template(folder: Path) -> tuple[Record, bytes]:
    """A good record with energy, and the bytes of its trace."""
    case = metered(folder)
    document = case.document
    kept = {
        name: document[name] for name in Record.__dataclass_fields__ if name in document.keys() - {"format", "version"}
    }
    frames = tuple(FrameSample(**frame) for frame in document["frames"])
    changed = {"frames": frames, "nodes": tuple(document["nodes"]), "devices": tuple(document["devices"])}
    return Record(**{**kept, **changed, "verdict": Verdict(), "kind": Kind.QUICK}), case.trace.read_bytes()


def renamed(record: Record, writer: int, number: int) -> Record:
    """The same run under a name of its own."""
    run = f"{writer:04x}{number:04x}" + 8 * "0"
    nodes = tuple({**node, "statistics": {**node["statistics"], "run": run}} for node in record.nodes)
    return replace(record, run=run, nodes=nodes)


def _seconds_of(write: Write, record: Record, trace: bytes, folder: Path) -> float:
    """How long a record takes now, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    begin_s = time.monotonic()
    write(record, trace, folder)
    return time.monotonic() - begin_s


def _one_life(record: Record, trace: bytes, folder: Path, number: int, write: Write, after_s: float) -> list[str]:
    """A child that files records until it is killed; names of those that it acknowledged."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.write(writer, _READY)
            for count in range(10_000):
                path = write(renamed(record, number, count), trace, folder)
                os.write(writer, f"{path.name}\n".encode())
        except BaseException:  # noqa: BLE001  the child must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writer)
    said = b""
    try:
        while not said.startswith(_READY):
            said += os.read(reader, 65_536)
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the writer ended by itself"
        while select.select([reader], [], [], 0)[0] and (more := os.read(reader, 65_536)):
            said += more
    finally:
        os.close(reader)
    return said.decode().splitlines()[1:]


def _account(folder: Path, kills: int, acknowledged: list[str], *, indexed: bool) -> Killed:
    lines, problems = read_index(folder)
    noted = {line.file: line.record_sha256 for line in lines}
    unreadable = 0
    whole = set()
    for path in folder.glob("*.json"):
        try:
            document = read_record(path)
        except BadInputError:
            unreadable += 1
            continue
        if broken_seals(document, path):
            unreadable += 1
        elif not indexed or path.name in acknowledged:
            filed = not indexed or noted.get(path.name) == document["manifest"]["record_sha256"]
            if filed and (not indexed or check_file(path).status == "VALID"):
                whole.add(path.name)
        else:
            whole.add(path.name)
    return Killed(
        kills=kills,
        acknowledged=len(acknowledged),
        lost=len(set(acknowledged) - whole),
        unreadable=unreadable,
        torn=len(problems),
        unacknowledged=len(whole - set(acknowledged)),
    )
