"""The farm that most tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from farms import Farm, running_farm


@pytest.fixture(scope="module")
def alexnet_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The five-device AlexNet farm, shared by the tests of a module that leave it as it was."""
    with running_farm(tmp_path_factory.mktemp("alexnet"), "alexnet-5") as farm:
        yield farm
