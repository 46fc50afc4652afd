"""Fixtures of the refresh tests; those of the session store's tests hold here as well."""

from collections.abc import Iterator

import pytest

from tests.unit.sessions.support import settle


@pytest.fixture(autouse=True)
def closed_pool(transactional_db: None) -> Iterator[None]:
    """Nothing runs on the pool any more when the test is over."""
    yield
    settle()
