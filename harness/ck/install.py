"""`iot-farm ck install`: does offline what `ck pull repo:ck-request-asplos18-iot-farm` did with a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from harness.ck.kernel import call_ck, reason, require_ck
from harness.ck.locking import exclusive
from harness.ck.repositories import (
    EXPERIMENTS,
    MACHINES,
    PROGRAMS,
    Repository,
    registered_repositories,
    repositories_folder,
    shipped,
)
from harness.ck.software import register_software
from harness.ck.trees import copy_tree, names_of
from harness.errors import BadInputError, FarmError

UPSTREAM_ALIAS = "ck-request-asplos18-iot-farm"
UPSTREAM_UID = "9bb172637b2083c2"
"""The original repository: with both registered, `ck run` would run both programs, one after the other."""

_PROGRAM = "program/request-iot-benchmark"
_ELSEWHERE = "set CK_REPOS to another folder of yours"


def install(say: Callable[[str], None], environ: Mapping[str, str] | None = None) -> None:
    """Put both repositories under $CK_REPOS, register them with CK, and register the software they need.

    May be called again at any time: files that changed are brought up to date, what the user changed is kept.

    Args:
        say: takes lines about what was done.
        environ: the environment; CK_REPOS and CK_LOCAL_REPO are read.

    Raises:
        MissingPackageError: no `ck`, a Python that it does not know, or no TensorFlow.
        BadInputError: a registered repository holds the same entries, or the folder cannot be written.
        FarmError: CK failed.
    """
    environ = dict(os.environ if environ is None else environ)
    require_ck()
    folder = repositories_folder(environ).absolute()
    environ["CK_REPOS"] = str(folder)
    for path in (str(folder), sys.executable):
        if any(character.isspace() for character in path):
            raise BadInputError(
                f"Collective Knowledge does not quote paths, and there is a space in {path}", _ELSEWHERE
            )
    local = environ.get("CK_LOCAL_REPO", "").strip()
    if local and not Path(local).is_dir():
        raise BadInputError(
            f"CK_LOCAL_REPO is {local}, which is no folder", "CK does not create it; create or unset it"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{folder} cannot be created: {error.strerror}", _ELSEWHERE) from None
    busy = BadInputError("another `iot-farm ck install` is at work in this CK_REPOS", "wait for it")
    with exclusive(folder / ".iot-farm-install.lock", busy):
        sources = [shipped(name) for name in (PROGRAMS, MACHINES, EXPERIMENTS)]
        others = [
            repository
            for repository in registered_repositories(environ)
            if repository.uid not in {source.uid for source in sources}
        ]
        _refuse_collisions(sources[0], others)
        say(f"CK_REPOS: {folder}")
        for source in sources:
            _install_repository(source, folder / source.alias, others, environ, say)
        lines, ambiguous = register_software(environ)
        for line in lines:
            say(f"software: {line}")
        for line in ambiguous:
            say(f"note: {line}")


def _refuse_collisions(programs: Repository, others: list[Repository]) -> None:
    """Refuse beside a repository with the same entries: CK would find both and ask, or run both."""
    way_out = "set CK_REPOS to an empty folder to try this one, or remove that one with: ck rm {}"
    for other in others:
        if other.alias == UPSTREAM_ALIAS or other.uid == UPSTREAM_UID:
            raise BadInputError(
                f"the original repository {other.alias} is registered in {other.path}: CK would run both",
                way_out.format(f"repo:{other.alias}"),
            )
    for name in names_of(programs.path):
        module, entry = name.split("/")
        for other in others:
            if other.entry(module, entry) is not None:
                raise BadInputError(
                    f"the registered repository {other.alias} has {module}:{entry} too: CK would find both",
                    way_out.format(
                        f"{other.alias}:{module}:{entry}" if other.alias == "local" else f"repo:{other.alias}"
                    ),
                )


def _install_repository(
    source: Repository,
    target: Path,
    others: list[Repository],
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    taken = {
        f"machine/{name}": other
        for other in others
        for name in source.entries("machine")
        if other.entry("machine", name) is not None
    }
    copied = copy_tree(source.path, target, skip=taken)
    say(
        f"repository {source.alias}: {len(copied.written)} files written"
        if copied.written
        else f"repository {source.alias}: up to date"
    )
    for name, other in taken.items():
        say(f"kept: {name.replace('/', ':')} of {other.alias}; the one that comes with this package stays out")
    for name in copied.kept:
        say(f"kept: {name.replace('/', ':')}, which was changed; to get ours again remove {target / name}")
    if (target / _PROGRAM).is_dir():
        # Where its folder for runs is missing, CK sleeps a second before it makes one; and says why it cannot.
        with suppress(OSError):
            (target / _PROGRAM / "tmp").mkdir(exist_ok=True)
    _register(source, target, environ)


def _register(source: Repository, target: Path, environ: Mapping[str, str]) -> None:
    """Tell CK where the copy lies, unless it knows."""
    known = [repository for repository in registered_repositories(environ) if repository.uid == source.uid]
    if any(repository.path.resolve() == target.resolve() for repository in known):
        return
    entry = Path(environ.get("CK_LOCAL_REPO") or Path(environ["CK_REPOS"]) / "local") / "repo" / source.alias
    if known or entry.exists():
        # CK_REPOS was moved or copied: the old path is what CK would go on using.
        done = call_ck(["rm", f"repo:{source.alias}", "-f"], environ, answers="y\n")
        if done.returncode:
            raise FarmError(f"CK could not forget the former place of {source.alias}: {reason(done)}")
    done = call_ck(["import", "repo", f"--path={target}", "--quiet"], environ)
    if done.returncode:
        raise FarmError(f"CK could not register {target}: {reason(done)}")
