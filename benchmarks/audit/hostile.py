"""Archives, pages and names made to do harm: how many of them have an effect.

The attacks are cases of the tests; here they are run and counted.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Group:
    """Attacks of one kind.

    Attributes:
        name: of the kind.
        least: so many there must be.
        tests: arguments of pytest that choose their cases.
        texts: each case tries all of `tests/hostile_texts.py`, not one attack.
    """

    name: str
    least: int
    tests: tuple[str, ...]
    texts: bool = False


GROUPS: Final = (
    Group(
        "hostile zips",
        20,
        (
            "tests/board/test_upload.py::test_hostile_archives_have_no_effect",
            "tests/unit/test_ck_zip.py::test_links_and_special_files",
            "tests/unit/test_ck_zip.py::test_the_same_name_twice",
            "tests/unit/test_ck_zip.py::test_strong_compression",
        ),
    ),
    Group(
        "HTML payloads",
        200,
        (
            "tests/unit/test_board_pages.py::test_no_text_of_a_record_becomes_mark_up",
            "tests/web/test_scoreboard_for_everyone.py::test_no_script_of_a_record_runs",
        ),
        texts=True,
    ),
    Group(
        "hostile names",
        20,
        (
            "tests/board/test_upload.py::test_hostile_names_have_no_effect",
            "tests/unit/test_ck_zip.py::test_names_that_no_entry_has",
        ),
    ),
)


@dataclass(frozen=True)
class Tried:
    """What came of one group.

    Attributes:
        group: which.
        attacks: how many were tried.
        with_effect: how many did something; all of them where a case that tries them together failed.
        skipped: cases that were not run, with the reason.
    """

    group: Group
    attacks: int
    with_effect: int
    skipped: tuple[str, ...]

    @property
    def withstood(self) -> bool:
        """Enough attacks, none with an effect, none left out."""
        return self.attacks >= self.group.least and not self.with_effect and not self.skipped


def attack(group: Group) -> Tried:
    """Run the cases of a group in a pytest of its own, and count.

    Raises:
        RuntimeError: pytest found no cases, or could not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *group.tests]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if not report.exists() or done.returncode not in {0, 1}:
            raise RuntimeError(f"{group.name}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
        cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314  our own file
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = tuple(str(skip.get("message")) for case in cases if (skip := case.find("skipped")) is not None)
    if not group.texts:
        return Tried(group, len(cases), failed, skipped)
    count = _texts()
    return Tried(group, count, count if failed else 0, skipped)


def _texts() -> int:
    """How many texts each case tries."""
    tests = str(_ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    return len(set(importlib.import_module("hostile_texts").hostile_texts()))
