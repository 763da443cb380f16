"""Writes experiment entries of Collective Knowledge without Collective Knowledge.

The same files with the same statistics as CK's `ck add experiment --search_point_by_features` leaves, so that CK lists,
loads, tabulates and replays them. Each file appears whole or not at all, and in an order in which no reader, CK
included, takes a half-written point or entry for a whole one.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import importlib.metadata
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BadInputError
from harness.records.entries.entry import MODULE, MODULE_UID, RECORDS_FOLDER, Entry, Point, read_entry
from harness.records.entries.flat import flatten, same_place
from harness.records.entries.statistics import analyse
from harness.records.manifest import TRACE, beside
from harness.records.privacy import to_json
from harness.records.store import write_whole

PROGRAM_UID = "b0ac08fe1d3c2615"
"""CK's module `program`: the pipeline by which a run of ours is replayed."""

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}", re.ASCII)
_IDENTIFYING = ("##features#*", "##choices#*", "##choices_order#*")


@dataclass(frozen=True)
class NewPoint:
    """What one addition to an entry holds.

    Attributes:
        characteristics: one dictionary for each repetition, `{"run": {"execution_time": seconds, ...}}`.
        features: of the system; by them and the choices a point is found again.
        choices: what was chosen for the run (`cmd_key`, `env`, ...).
        pipeline_state: how the repetitions ended; CK counts it once for each.
    """

    characteristics: Sequence[Mapping[str, Any]]
    features: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    pipeline_state: Mapping[str, Any] = field(default_factory=lambda: {"fail": "no", "fail_bool": False})


def write_point(
    repository: Path,
    alias: str,
    point: NewPoint,
    *,
    meta: Mapping[str, Any],
    tags: Sequence[str] = (),
    pipeline: Mapping[str, Any] | None = None,
    records: Sequence[Path] = (),
) -> tuple[Path, str]:
    """Add repetitions to an entry; the entry, and the point with these features and choices, are made where needed.

    Args:
        repository: folder of a CK repository (`$CK_REPOS/local`).
        alias: name of the entry.
        point: what was measured.
        meta: system, model and software; written with a new entry and kept by later additions.
        tags: of the entry.
        pipeline: what CK needs to replay it, written once.
        records: our raw records of these repetitions, each with its power trace beside it; copied into the entry.

    Returns:
        The entry's folder and the point's UID.

    Raises:
        BadInputError: a name cannot be used, a value has no form in JSON, there are no repetitions, or the folder
            cannot be written.
    """
    if not _ALIAS.fullmatch(alias):
        raise BadInputError(f"'{alias[:80]}' is no name for an entry", "use letters, digits, '-', '_' and '.'")
    if not point.characteristics:
        raise BadInputError(f"there is no repetition to add to {alias}")
    module = repository / MODULE
    try:
        module.mkdir(parents=True, exist_ok=True)
        with _alone(module):
            _alias_files(repository, MODULE, MODULE_UID)
            entry = read_entry(module / alias) if (module / alias).is_dir() else None
            if entry is None:
                return _new_entry(module, alias, point, meta, tags, pipeline, records)
            _copy_records(entry.folder, records)
            uid, new = _add(entry.folder, entry, point)
            if new:
                document = {**entry.document, "points": str(len(entry.points) + 1)}
                write_whole(entry.folder / ".cm" / "meta.json", _json(document))
            return entry.folder, uid
    except OSError as error:
        raise BadInputError(f"{module} cannot be written: {error.strerror}", "choose another folder") from None


def replay_pipeline(cmd_key: str, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The least that `ck replay` needs to run a cmd_key of our program entry again; CK resolves the rest there.

    Args:
        cmd_key: of `program:request-iot-benchmark`. For a farm, `ck replay` wants `--target=NAME` besides.
        variables: environment of the run (`STAT_REPEAT`).
    """
    choices = {"cmd_key": cmd_key, "data_uoa": "request-iot-benchmark", "module_uoa": PROGRAM_UID}
    quiet = ("no_state_check", "no_compiler_description", "skip_calibration", "skip_print_timers")
    return {
        **choices,
        "choices": {**choices, "env": dict(variables or {})},
        "env": dict(variables or {}),
        **dict.fromkeys(quiet, "yes"),
        "skip_target": "" if "-farm-" in cmd_key else "yes",
        "speed": "no",
        "energy": "no",
        "cpu_freq": "",
        "gpu_freq": "",
    }


def _new_entry(
    module: Path,
    alias: str,
    point: NewPoint,
    meta: Mapping[str, Any],
    tags: Sequence[str],
    pipeline: Mapping[str, Any] | None,
    records: Sequence[Path],
) -> tuple[Path, str]:
    """Build the entry aside and let it appear with everything in it."""
    alias_file = module / ".cm" / f"alias-a-{alias}"
    # An alias without its folder is what a stopped writer leaves; its UID goes on.
    known = alias_file.read_text(encoding="ascii").strip() if alias_file.is_file() else ""
    uid = known or secrets.token_hex(8)
    origin = _origin()
    document: dict[str, Any] = {"added": origin, "meta": dict(meta), "points": "1", "tags": list(tags)}
    if pipeline is not None:
        document |= {"pipeline_uid": PROGRAM_UID, "pipeline_uoa": "program"}
    info = {
        "backup_data_uid": uid,
        "backup_module_uid": MODULE_UID,
        "backup_module_uoa": MODULE,
        "control": origin,
        "data_name": alias,
    }
    (module / ".cm").mkdir(exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".new-", dir=module / ".cm"))  # where CK looks for no entries
    try:
        for name, content in {
            ".cm/meta.json": document,
            ".cm/info.json": info,
            ".cm/desc.json": {},
            "desc.json": {"features_desc": {}, "choices_desc": {}, "characteristics_desc": {}},
        }.items():
            write_whole(aside / name, _json(content))
        if pipeline is not None:
            write_whole(aside / "pipeline.json", _json(pipeline))
        _copy_records(aside, records)
        point_uid, _ = _add(aside, None, point)
        aside.chmod(0o755)
        # Before the folder: CK calls a folder without its alias file inconsistent, and passes over the reverse.
        _alias_files(module, alias, uid)
        aside.rename(module / alias)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _sync(module)
    return module / alias, point_uid


def _add(folder: Path, entry: Entry | None, point: NewPoint) -> tuple[str, bool]:
    """Write the files of a point; its UID, and whether it is a new one."""
    place = {"features": dict(point.features), "choices": dict(point.choices), "choices_order": []}
    place_flat = flatten(place, _IDENTIFYING)
    old = _find(entry, place_flat)
    uid = old.uid if old else secrets.token_hex(8)
    analysed = analyse(
        old.flat if old else {}, point.characteristics, {**place, "pipeline_state": dict(point.pipeline_state)}
    )
    features = dict(old.features) if old else place
    last = max((int(number) for number in old.sub_points), default=0) if old else 0
    number = last + 1 if old is None or analysed.extreme else last
    name = folder / f"ckp-{uid}"
    if number > last:
        measured = [dict(repetition) for repetition in point.characteristics]
        write_whole(Path(f"{name}.{number:04}.json"), _json({"characteristics_list": measured, **place}))
    write_whole(Path(f"{name}.features.json"), _json({**features, "sub_points": number}))
    write_whole(Path(f"{name}.features_flat.json"), _json(place_flat))
    # Last: CK tabulates what has this file.
    write_whole(Path(f"{name}.flat.json"), _json(analysed.flat))
    return uid, old is None


def _find(entry: Entry | None, place: Mapping[str, Any]) -> Point | None:
    found = [point for point in (entry.points if entry else ()) if same_place(point.features_flat, place)]
    if len(found) > 1:
        raise BadInputError(f"{entry.alias if entry else ''} holds {len(found)} points with these features and choices")
    return found[0] if found else None


def _copy_records(folder: Path, records: Sequence[Path]) -> None:
    for record in records:
        trace = beside(record, TRACE)
        # The trace first: a record that is there has what it refers to.
        for path in (trace, record):
            if path is record or path.is_file():
                write_whole(folder / RECORDS_FOLDER / path.name, path.read_bytes())


def _alias_files(folder: Path, alias: str, uid: str) -> None:
    for name, content in ((f"alias-u-{uid}", alias), (f"alias-a-{alias}", uid)):
        path = folder / ".cm" / name
        if not path.exists():
            write_whole(path, f"{content}\n".encode("ascii"))


def _origin() -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)  # without offset, as CK notes it
    try:
        version = importlib.metadata.version("ck-iot-farm").split(".")
    except importlib.metadata.PackageNotFoundError:  # runs from a checkout that is not installed
        version = []
    return {"engine": "ck-iot-farm", "iso_datetime": now.isoformat(), "version": version}


def _json(document: Mapping[str, Any]) -> bytes:
    """JSON as CK lays it out.

    Raises:
        BadInputError: it holds NaN, infinity, or something that JSON has no form for.
    """
    try:
        return to_json(document)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"an entry cannot hold this: {error}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time in a folder; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
