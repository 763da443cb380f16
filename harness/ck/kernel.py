"""Calls the real `ck` as a process of its own, with nobody to answer its questions."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from harness.errors import FarmError, MissingPackageError

CK_VERSION = "2.6.4"
TIMEOUT_S = 300.0
_LAST_PYTHON = (3, 11)


def require_ck(
    version: Sequence[int] = tuple(sys.version_info[:3]),
    find: Callable[[str], object] = importlib.util.find_spec,
) -> None:
    """Make sure that CK can run here.

    Args:
        version: version of the Python that is to run it.
        find: how a module is looked up; None is "not there".

    Raises:
        MissingPackageError: it cannot; the hint says the way out.
    """
    python = ".".join(str(number) for number in version[:2])
    if tuple(version[:2]) > _LAST_PYTHON and find("imp") is None:
        raise MissingPackageError(
            f"Collective Knowledge {CK_VERSION} needs the module imp, which is gone since Python 3.12; "
            f"this is Python {python}",
            "use Python 3.11 for `ck`; `iot-farm run`, `farm` and `node` work here without it",
        )
    if find("ck") is None:
        raise MissingPackageError(
            f"Collective Knowledge is not installed for {sys.executable}", f"pip install ck=={CK_VERSION}"
        )


def call_ck(
    arguments: Sequence[str], environ: Mapping[str, str], answers: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run one `ck` command.

    Args:
        arguments: what stands after `ck`.
        environ: the environment, CK_REPOS included.
        answers: lines for the questions it is known to ask; anything else meets the end of input.

    Raises:
        FarmError: it hung.
    """
    command = [sys.executable, "-m", "ck", *arguments]
    try:
        return subprocess.run(  # noqa: S603  our own command line
            command,
            input=answers,
            capture_output=True,
            text=True,
            env=dict(environ),
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FarmError(f"`ck {' '.join(arguments)}` did not end within {TIMEOUT_S:.0f} s") from None


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why a command failed: CK's own error line, else the last line that it printed."""
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("CK error:", "Error:"))]
    return (errors or lines or ["it printed nothing"])[-1].removeprefix("CK error: ")
