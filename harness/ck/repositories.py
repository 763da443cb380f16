"""Where Collective Knowledge keeps its repositories, read from its files; nothing is imported or created."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.errors import MissingPackageError

PROGRAMS = "ck-programs"
MACHINES = "ck-machines"
EXPERIMENTS = "experiments"
"""The three CK repositories that come with this package."""
_LONGEST_NAME_BYTES = 200


@dataclass(frozen=True)
class Repository:
    """One CK repository on this machine.

    Attributes:
        alias: its name in CIDs (`ALIAS:module:entry`).
        uid: 16 hex digits; empty when its files do not say.
        path: its folder.
    """

    alias: str
    uid: str
    path: Path

    def entry(self, module: str, name: str) -> Path | None:
        """Folder of an entry, by alias or UID; None when this repository has none of that name."""
        if not _plain(module) or not _plain(name):
            return None
        alias = _text(self.path / module / ".cm" / f"alias-u-{name}").strip()
        for folder in (self.path / module / name, self.path / module / alias if _plain(alias) else None):
            if folder is not None and (folder / ".cm" / "meta.json").is_file():
                return folder
        return None

    def entries(self, module: str) -> list[str]:
        """Names of a module's entries, sorted."""
        return sorted(meta.parent.parent.name for meta in (self.path / module).glob("*/.cm/meta.json"))


def repositories_folder(environ: Mapping[str, str]) -> Path:
    """Folder of CK's repositories: $CK_REPOS, else ~/CK."""
    value = environ.get("CK_REPOS", "").strip()
    return Path(value) if value else Path.home() / "CK"


def local_repository(environ: Mapping[str, str]) -> Repository:
    """The repository `local`, which holds what the user registers: $CK_LOCAL_REPO, else below $CK_REPOS."""
    value = environ.get("CK_LOCAL_REPO", "").strip()
    path = Path(value) if value else repositories_folder(environ) / "local"
    return Repository("local", "9a3280b14a4285c9", path)


def registered_repositories(environ: Mapping[str, str]) -> list[Repository]:
    """Every repository that CK would search, `local` first; remote ones and vanished folders are left out."""
    local = local_repository(environ)
    cached = _json(local.path / ".ck.cache_repo_info.json")
    described = [_json(meta) for meta in sorted((local.path / "repo").glob("*/.cm/meta.json"))]
    found = {local.path: local}
    # The cache knows alias and UID; an entry of module repo that is not cached yet knows at least the path.
    infos = [entry for entry in cached.values() if isinstance(entry, dict)] + [{"dict": d} for d in described]
    for info in infos:
        details = info.get("dict")
        text = details.get("path") if isinstance(details, dict) else None
        if isinstance(text, str) and text:
            path = Path(text)
            if path not in found and path.is_dir():
                found[path] = _repository(path, info)
    return list(found.values())


def find_entry(repositories: Iterable[Repository], module: str, name: str) -> Path | None:
    """The first entry of that name, in CK's own order of search."""
    for repository in repositories:
        folder = repository.entry(module, name)
        if folder is not None:
            return folder
    return None


def shipped(name: str) -> Repository:
    """A repository that comes with this package: beside its code, or in a checkout of its sources.

    Raises:
        MissingPackageError: the installation is not complete.
    """
    package = Path(harness.__file__).resolve().parent
    for path in (package / "_repositories" / name, package.parent / name):
        if (path / ".ckr.json").is_file():
            return _repository(path, {})
    raise MissingPackageError(f"this installation lacks its folder {name}", "install ck-iot-farm again")


def _repository(path: Path, info: Mapping[str, object]) -> Repository:
    own = _json(path / ".ckr.json")
    alias = info.get("data_alias") or own.get("data_alias") or path.name
    return Repository(str(alias), str(info.get("data_uid") or own.get("data_uid") or ""), path)


def _plain(name: str) -> bool:
    # No file system takes a longer name, and none takes a NUL.
    return 0 < len(name.encode()) <= _LONGEST_NAME_BYTES and not set("/\0") & set(name) and name not in (".", "..")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _json(path: Path) -> dict[str, object]:
    try:
        document = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
