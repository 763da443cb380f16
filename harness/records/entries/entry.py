"""Reads experiment entries of Collective Knowledge without Collective Knowledge.

An entry is a folder: `.cm/meta.json`, `desc.json`, `pipeline.json`, and for each point `ckp-UID.flat.json`
(statistics), `.features.json`, `.features_flat.json` and one `.NNNN.json` for each sub-point (raw repetitions). Our raw
records travel in its sub-folder `iot-farm/`. Whatever a file holds is somebody's claim: it is read within bounds and
never followed out of the folder.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import parse
from harness.records.entries.statistics import disagreements

MODULE = "experiment"
MODULE_UID = "bc0409fb61f0aa82"
"""The module's UID, the same in every Collective Knowledge."""
RECORDS_FOLDER = "iot-farm"
"""Sub-folder of an entry that holds our raw records, so that a plain `ck zip` carries them."""
RUN = "##characteristics#run#"
"""What the flat keys of measured figures begin with."""

MAX_FILES = 20_000
"""Most files of one entry."""
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Largest JSON file of CK that is read; the largest of a real entry has 60 kB."""

_POINT = re.compile(r"ckp-([0-9a-f]{16})\.(\d{4}|flat|features|features_flat)\.json", re.ASCII)
_UID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_DISSECTED = ("flat", "features", "features_flat")


@dataclass(frozen=True)
class Point:
    """One point of an entry: repetitions under the same features and choices.

    Attributes:
        uid: 16 hexadecimal digits.
        flat: CK's statistics by flat key.
        features: `features`, `choices`, `choices_order` and the number of `sub_points`.
        features_flat: features and choices by flat key; by them CK finds the point again.
        sub_points: number ("0001") -> `characteristics_list`, `features`, `choices`, `choices_order`.
    """

    uid: str
    flat: dict[str, Any]
    features: dict[str, Any]
    features_flat: dict[str, Any]
    sub_points: dict[str, dict[str, Any]]

    @property
    def failed(self) -> bool:
        """Whether a repetition failed: such a point has no figures to show."""
        return "yes" in self.all("##pipeline_state#fail") or not self.repetitions

    @property
    def repetitions(self) -> int:
        """How many repetitions with figures it holds."""
        return len(self.samples("execution_time"))

    def samples(self, name: str) -> tuple[Any, ...]:
        """Every value of a figure (`execution_time`), in the order of the repetitions; empty where there is none."""
        return self.all(RUN + name)

    def all(self, key: str) -> tuple[Any, ...]:
        """Every value of a flat key; empty where there is none."""
        values = self.flat.get(f"{key}#all")
        return tuple(values) if isinstance(values, list) else ()

    def disagreements(self) -> tuple[str, ...]:
        """Flat keys whose statistics do not follow from their samples; empty for an honest point."""
        return disagreements(self.flat)


@dataclass(frozen=True)
class Entry:
    """One experiment entry.

    Attributes:
        folder: where it lies.
        alias: its name; of an entry without alias its UID.
        uid: 16 hexadecimal digits, or empty where nothing tells it.
        document: `.cm/meta.json`: tags, pipeline, number of points, and `meta`.
        points: those with statistics, by UID.
        unfinished: UIDs of points that lack a file: somebody was stopped while writing them.
        records: our raw records in it (`iot-farm/STEM.json`), by name; whether they hold is for the checker to say.
    """

    folder: Path
    alias: str
    uid: str
    document: dict[str, Any]
    points: tuple[Point, ...]
    unfinished: tuple[str, ...]
    records: tuple[Path, ...]

    @property
    def meta(self) -> dict[str, Any]:
        """What the entry says about system, model and software (the inner `meta`)."""
        meta = self.document.get("meta", {})
        return meta if isinstance(meta, dict) else {}

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        tags = self.document.get("tags", [])
        return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()

    def point(self, uid: str) -> Point:
        """One point by its UID.

        Raises:
            NotFoundError: the entry has no such point.
        """
        for point in self.points:
            if point.uid == uid:
                return point
        raise NotFoundError(f"{self.alias} has no point {uid}", f"it has {', '.join(p.uid for p in self.points)}")

    def pipeline(self) -> dict[str, Any]:
        """What CK needs to replay it (`pipeline.json`); empty where it was not recorded.

        Raises:
            BadInputError: the file is no JSON object, or too large.
        """
        path = self.folder / "pipeline.json"
        return _read(path) if path.exists() else {}


def read_entry(folder: Path) -> Entry:
    """Read an experiment entry.

    Raises:
        NotFoundError: there is no such folder.
        BadInputError: it is no entry, has more files or larger ones than an entry has, a file in it is a link or no
            JSON object.
    """
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", "name the folder of an experiment entry")
    # The name may be given as `.` or with a link in it; the entry's own name is that of the real folder.
    folder = folder.resolve()
    if not (folder / ".cm" / "meta.json").is_file():
        raise BadInputError(f"{folder} is no CK entry: it has no .cm/meta.json", "name the folder of one entry")
    found: dict[str, dict[str, Path]] = {}
    for path in _files(folder):
        match = _POINT.fullmatch(path.name)
        if match:
            found.setdefault(match[1], {})[match[2]] = path
    whole = {uid for uid, files in found.items() if {*_DISSECTED} <= files.keys() and len(files) > len(_DISSECTED)}
    document = _read(folder / ".cm" / "meta.json")
    return Entry(
        folder=folder,
        alias=folder.name,
        uid=_uid(folder),
        document=document,
        points=tuple(_point(uid, found[uid]) for uid in sorted(whole)),
        unfinished=tuple(sorted(found.keys() - whole)),
        records=_records(folder),
    )


def _point(uid: str, files: dict[str, Path]) -> Point:
    read = {key: _read(path) for key, path in sorted(files.items())}
    flat, features, features_flat = (read.pop(key) for key in _DISSECTED)
    return Point(uid, flat, features, features_flat, read)


def _uid(folder: Path) -> str:
    """From the alias file beside the entry, else from what CK noted in it, else from its name."""
    alias_file = folder.parent / ".cm" / f"alias-a-{folder.name}"
    if alias_file.is_file() and not alias_file.is_symlink():
        candidates = [alias_file.read_bytes()[:64].decode("ascii", "replace").strip()]
    else:
        info = folder / ".cm" / "info.json"
        noted = _read(info).get("backup_data_uid") if info.is_file() else None
        candidates = [folder.name, noted if isinstance(noted, str) else ""]
    return next((uid for uid in candidates if _UID.fullmatch(uid)), "")


def _records(folder: Path) -> tuple[Path, ...]:
    place = folder / RECORDS_FOLDER
    if not place.exists():
        return ()
    return tuple(path for path in _files(place) if path.suffix == ".json" and not path.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    """Plain files of a folder, by name.

    Raises:
        BadInputError: it is a link or cannot be read, or holds a link or too many files.
    """
    if folder.is_symlink():
        raise BadInputError(f"{folder} is a link", "an entry holds plain files and folders")
    try:
        with os.scandir(folder) as listing:
            items = [item for _, item in zip(range(MAX_FILES + 1), listing, strict=False)]
    except OSError as error:
        raise BadInputError(f"{folder} cannot be read: {error.strerror}") from None
    if len(items) > MAX_FILES:
        raise BadInputError(f"{folder} holds more than {MAX_FILES:,} files", "it is no entry of ours")
    for item in items:
        if item.is_symlink():
            raise BadInputError(f"{folder / item.name} is a link", "an entry holds plain files and folders")
    return sorted(Path(item.path) for item in items if item.is_file())


def _read(path: Path) -> dict[str, Any]:
    """One JSON object of CK's.

    Raises:
        BadInputError: it is no plain file, too large, or no JSON object.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise BadInputError(f"{path} is no plain file", "an entry holds plain files and folders")
        if status.st_size > MAX_FILE_BYTES:
            raise BadInputError(f"{path} has {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}")
        document = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    if not isinstance(document, dict):
        raise BadInputError(f"{path} holds no JSON object")
    return document
