"""Optional packages, imported when a runtime that needs them is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from harness.errors import MissingPackageError

_NEEDED: Final = {
    "keras": (("tensorflow", "cpu"), ("keras", "cpu")),
    "litert": (("tensorflow", "cpu"), ("ai_edge_litert", "litert")),
    "onnx": (("onnx", "onnx"), ("onnxruntime", "onnx")),
    "openvino": (("openvino", "openvino"),),
}
"""Runtime -> its modules, and the extra of this project that installs each."""


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


def require_installed(runtime: str) -> None:
    """See that the packages of a runtime are there, without importing them.

    Raises:
        MissingPackageError: one is not installed.
    """
    for module, extra in _NEEDED[runtime]:
        if find_spec(module) is None:
            raise MissingPackageError(
                f"--runtime {runtime} needs {module}, which is not installed",
                f"install the extra `{extra}`: pip install '.[{extra}]'",
            )
