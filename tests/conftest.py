"""No test touches the user's own records, process lists or CK repositories."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine may be slow at any moment: how long an example takes says nothing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders of this test session for everything that a command may write."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("IOT_FARM_RESULTS", str(home / "results"))
        environment.setenv("IOT_FARM_STATE", str(home / "state"))
        environment.setenv("CK_REPOS", str(home / "CK"))
        for name in ("CK_LOCAL_REPO", "CK_TARGET_PATH", "STAT_REPEAT"):
            environment.delenv(name, raising=False)
        yield home
