"""The service that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from board.serving import Service, served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that all tests of this file share."""
    with served(tmp_path_factory.mktemp("service") / "data") as made:
        yield made


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Alice."""
    with service.client() as made:
        yield made
