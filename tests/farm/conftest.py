"""The farms that tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from farms import Farm, running_farm


@pytest.fixture(scope="session")
def alexnet_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The five-device AlexNet farm, shared by all tests that leave it as it was."""
    with running_farm(tmp_path_factory.mktemp("alexnet"), "alexnet-5") as farm:
        yield farm


@pytest.fixture(scope="session")
def lied_to(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Another one, for liars: once one was there, the node in whose place it stood is gone."""
    with running_farm(tmp_path_factory.mktemp("lied-to"), "alexnet-5") as farm:
        yield farm
