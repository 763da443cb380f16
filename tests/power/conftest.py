"""The minute of known waveforms is recorded while the other tests of this folder run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def recording(request: pytest.FixtureRequest) -> Iterator[Future[str] | None]:
    """What the program that records them says, begun with the first test here; none where nobody will ask for it."""
    if not any(item.path.name == "test_waveforms.py" for item in request.session.items):
        yield None
        return
    command = [sys.executable, "-m", "tests.power.waveforms"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process, ThreadPoolExecutor() as one:

        def said() -> str:
            words, _ = process.communicate()
            assert process.returncode == 0
            return words

        # A thread waits for its end: tests that look at their processes find none that has ended and is still there.
        yield one.submit(said)
        process.terminate()  # where it is still at it, nobody asked
