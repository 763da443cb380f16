"""No test touches the user's own records, process lists or CK repositories."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine may be slow at any moment: how long an example takes says nothing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


TOGETHER = {"ck", "farm", "faults", "power"}
"""Folders whose tests take turns where the suite runs in several processes: they share a farm, or a minute."""
FIRST = ("farm", "ck", "faults", "web")
"""The longest begin, or one process would be at them alone in the end; what is short fills in."""
LAST = "test_waveforms.py"
"""Waits for what is recorded while the others of its folder run."""


# First: xdist reads the groups in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where the suite runs in several processes, a module stays in one, and so do these folders."""
    here = Path(__file__).parent
    groups, folders = {}, {}
    for item in items:
        folder = folders[item] = item.path.relative_to(here).parts[0]
        groups[item] = folder if folder in TOGETHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: (_turn(folders[item]), item.path.name == LAST))


def _turn(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without its groups a module's tests would run in two processes, and each farm be started twice."""
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist left the groups out: its version does not fit pytest's")


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders of this test session for everything that a command may write."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("IOT_FARM_RESULTS", str(home / "results"))
        environment.setenv("IOT_FARM_STATE", str(home / "state"))
        environment.setenv("IOT_FARM_CACHE", str(home / "cache"))
        environment.setenv("CK_REPOS", str(home / "CK"))
        for name in (
            "CK_LOCAL_REPO",
            "CK_TARGET_PATH",
            "STAT_REPEAT",
            "POWER",
            "POWER_IDLE_S",
            "POWER_PROFILE",
            "DECLARED",
            "WIRE",
        ):
            environment.delenv(name, raising=False)
        yield home
