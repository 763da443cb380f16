"""The profiles that come with the project, and whatever a user names."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from harness.errors import MissingPackageError, NotFoundError
from harness.profile.profile import Profile, read_profile

_FOLDER: Final = Path(__file__).parent / "data"
HOST: Final = "host"
"""The machine at hand, which is measured."""


def shipped_names() -> tuple[str, ...]:
    """Names of the shipped profiles, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def shipped_profile(name: str) -> Profile:
    """A shipped profile.

    Raises:
        NotFoundError: none is called so.
        MissingPackageError: the installation is not complete.
    """
    names = shipped_names()
    if not names:
        raise MissingPackageError(f"this installation lacks its folder {_FOLDER.name}", "install ck-iot-farm again")
    if name == HOST:
        raise NotFoundError(
            "this machine has no profile until one is made",
            f"iot-farm profile MODEL --out {HOST}.json makes it: name that file",
        )
    if name not in names:
        raise NotFoundError(
            f"there is no profile '{name}'",
            f"shipped: {', '.join(names)}; one of this machine: iot-farm profile --device {HOST} MODEL --out FILE.json",
        )
    return read_profile(_FOLDER / f"{name}.json")


def profile_called(name: str, near: Path = Path()) -> Profile:
    """A shipped profile by its name, or one of a user's by its file (a path, or a name that ends in .json).

    Args:
        name: name or path.
        near: folder that a relative path starts from.

    Raises:
        NotFoundError: there is none.
        BadInputError: the file is no profile.
    """
    if name.endswith(".json") or "/" in name:
        return read_profile(near / name)
    return shipped_profile(name)
