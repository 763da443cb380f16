"""The count of withstood attacks names cases that exist."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.audit.hostile import GROUPS, Group

ROOT = Path(__file__).parents[2]


def _collected(*tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_attack_that_is_counted_can_be_run(group: Group) -> None:
    """Proves that a case which was renamed or moved is noticed here, not in the middle of an audit."""
    found = _collected(*group.tests)
    assert found.returncode == 0, found.stdout
    assert all(test in found.stdout for test in group.tests)


def test_a_name_that_is_gone_is_noticed() -> None:
    """The control: a case that does not exist is not collected."""
    assert _collected("tests/web/test_scoreboard.py::test_gone").returncode != 0
