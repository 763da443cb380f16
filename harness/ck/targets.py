"""From the name of a target to its farm file, as Collective Knowledge would find it, without needing it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.ck.repositories import MACHINES, Repository, find_entry, registered_repositories, shipped
from harness.errors import BadInputError, NotFoundError, TargetNotSpecifiedError

_LONGEST_HINT = 40
FARM_FILE = "ip"
"""File of a machine entry that holds the farm: a copy of what `ck add machine --avro_config=` was given."""
TARGET_VARIABLE = "CK_TARGET_PATH"
"""Environment variable in which `ck run --target=NAME` states the folder of machine:NAME."""


def target_file(name: str, environ: Mapping[str, str] | None = None) -> Path:
    """The farm file of a target.

    A name with a slash or the ending .json is a path: to a farm file or to a folder with a file `ip`. Any
    other name is a machine entry (alias or UID) of the repository `local`, of another registered repository,
    or of those that come with this package, in this order; failing that, a path again.

    Raises:
        NotFoundError: there is no such target (exit code 16).
        BadInputError: the machine entry is no farm.
    """
    environ = os.environ if environ is None else environ
    if "/" in name or name.endswith(".json"):
        return _farm_file_at(Path(name))
    entry = find_entry(_repositories(environ), "machine", name)
    if entry is not None:
        return _farm_file_of_entry(entry)
    if name and _exists(Path(name)):
        return _farm_file_at(Path(name))
    shown = name if name and len(name) <= _LONGEST_HINT and not set(name) & set(" \t\n") else "NAME"
    known = ", ".join(target_names(environ)) or "none"
    raise NotFoundError(
        f"there is no target '{name[:200]}'",
        f"known are {known}; another one: a path to its JSON file, or "
        f"ck add machine:{shown} --access_type=avro --avro_config=FILE",
    )


def target_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """Names of all machine entries that are farms, sorted."""
    environ = os.environ if environ is None else environ
    return sorted(
        {
            name
            for repository in _repositories(environ)
            for name in repository.entries("machine")
            if (repository.path / "machine" / name / FARM_FILE).is_file()
        }
    )


def target_of_ck_run(environ: Mapping[str, str]) -> tuple[str, Path]:
    """Name and farm file of the target of the running `ck run`.

    Raises:
        TargetNotSpecifiedError: it was typed without `--target`.
        NotFoundError: CK's variable names a folder that is not there.
        BadInputError: the machine entry is no farm.
    """
    folder = environ.get(TARGET_VARIABLE, "").strip()
    if not folder:
        raise TargetNotSpecifiedError(
            "CK target is not specified", "add --target=NAME; `ck show machine` lists the names"
        )
    entry = Path(folder)
    if not entry.is_dir():
        raise NotFoundError(f"{TARGET_VARIABLE} is {folder}, which is no folder", "`ck run --target=NAME` sets it")
    return entry.name, _farm_file_of_entry(entry)


def _repositories(environ: Mapping[str, str]) -> list[Repository]:
    return [*registered_repositories(environ), shipped(MACHINES)]


def _farm_file_at(path: Path) -> Path:
    if not _exists(path):
        raise NotFoundError(f"farm file {str(path)[:200]} does not exist", "it is a JSON file: role -> addresses")
    if path.is_dir():
        path = path / FARM_FILE
        if not path.is_file():
            raise NotFoundError(f"folder {path.parent} holds no file '{FARM_FILE}'", "name the JSON file itself")
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for any file, or with a NUL
        return False


def _farm_file_of_entry(entry: Path) -> Path:
    path = entry / FARM_FILE
    if not path.is_file():
        raise BadInputError(
            f"machine:{entry.name} is no farm: {entry} holds no file '{FARM_FILE}'",
            "register one with: ck add machine:NAME --access_type=avro --avro_config=FILE",
        )
    return path
