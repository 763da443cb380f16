"""Registers Python, TensorFlow and Keras with CK, so that `ck run` has nothing to ask.

CK keeps what it found as `local:env:UID`. With none, or with two that fit, `ck run` opens a menu; so the
entries for another version of the same file, or for a file that is gone, are removed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ck.kernel import call_ck, reason
from harness.ck.repositories import local_repository
from harness.errors import FarmError, MissingPackageError

_NOT_FOUND = 16


@dataclass(frozen=True)
class Software:
    """One dependency of program:request-iot-benchmark.

    Attributes:
        label: what people call it.
        soft_uid: UID of its soft entry.
        arguments: how `ck` is told to detect it.
    """

    label: str
    soft_uid: str
    arguments: tuple[str, ...]


SOFTWARE = (
    Software("Python", "45d68512df22fde7", ("soft:compiler.python", f"--full_path={sys.executable}")),
    Software("TensorFlow", "30db354f469bb178", ("soft", "--tags=lib,tensorflow")),
    Software("Keras", "04698bcbc46c246f", ("soft", "--tags=lib,keras-request")),
)


@dataclass(frozen=True)
class Environment:
    """One `local:env` entry.

    Attributes:
        folder: where it lies.
        soft_uid: the soft entry it was made from.
        full_path: the file that was found.
        version: what was found.
        target_os: UID of the system that it is meant for; CK takes none that is meant for another one.
    """

    folder: Path
    soft_uid: str
    full_path: Path
    version: str
    target_os: str

    @property
    def place(self) -> tuple[Path, Path]:
        """What two names of one file have in common: python and python3.11 of one virtual environment."""
        return self.full_path.parent.resolve(), self.full_path.resolve()


def register_software(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Let CK detect each piece of software; what is registered already stays under its UID.

    Returns:
        Lines that say what is registered, and lines that say what CK will ask about.

    Raises:
        MissingPackageError: something is not installed.
        FarmError: CK failed.
    """
    lines = []
    for software in SOFTWARE:
        done = call_ck(["detect", *software.arguments, "--quiet"], environ)
        if done.returncode == _NOT_FOUND:
            raise MissingPackageError(
                f"{software.label} is not installed for {sys.executable}", "pip install 'ck-iot-farm[cpu]'"
            )
        if done.returncode:
            raise FarmError(f"CK could not register {software.label}: {reason(done)}")
        lines.append(_settle(software, environ))
    return lines, _ambiguous(environ)


def environments(environ: Mapping[str, str]) -> list[Environment]:
    """Every `local:env` entry that states a file and a version."""
    found = []
    for meta in sorted((local_repository(environ).path / "env").glob("*/.cm/meta.json")):
        try:
            document = json.loads(meta.read_text(encoding="utf-8"))
            customize = document["customize"]
            found.append(
                Environment(
                    folder=meta.parent.parent,
                    soft_uid=str(document["soft_uoa"]),
                    full_path=Path(customize["full_path"]),
                    version=str(customize["version"]),
                    target_os=str(document["setup"]["target_os_uoa"]),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _settle(software: Software, environ: Mapping[str, str]) -> str:
    """Remove entries that the newest one supersedes; returns the line about that one."""
    mine = [entry for entry in environments(environ) if entry.soft_uid == software.soft_uid]
    newest = max(mine, key=lambda entry: (entry.folder / ".cm" / "meta.json").stat().st_mtime_ns)
    for entry in mine:
        superseded = entry.place == newest.place or not entry.full_path.exists()
        if entry != newest and entry.target_os == newest.target_os and superseded:
            shutil.rmtree(entry.folder)
    return f"{software.label} {newest.version}: {newest.full_path}"


def _ambiguous(environ: Mapping[str, str]) -> list[str]:
    lines = []
    found = environments(environ)
    for software in SOFTWARE:
        fitting = [entry for entry in found if entry.soft_uid == software.soft_uid]
        for target_os in sorted({entry.target_os for entry in fitting}):
            paths = sorted(str(entry.full_path) for entry in fitting if entry.target_os == target_os)
            if len(paths) > 1:
                lines.append(f"`ck run` will ask which {software.label} to take: {', '.join(paths)}")
    return lines
