"""Optional packages, imported when a runtime that needs them is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from harness.errors import MissingPackageError


def import_package(module: str, extra: str) -> Any:
    """The module of an optional package.

    Args:
        module: what to import.
        extra: this project's extra that installs it.

    Raises:
        MissingPackageError: it is not installed, or cannot be imported here.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"{module} cannot be imported: {error}", f"install the extra `{extra}`: pip install '.[{extra}]'"
        ) from error
