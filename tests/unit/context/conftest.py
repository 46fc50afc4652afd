"""Fixtures of contexts and streams."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_app import crypto
from tests.unit.context.desk import Desk, open_desk
from tests.unit.context.streams_kit import Kit, close_kit, open_kit


@pytest.fixture
def ring() -> Iterator[None]:
    """A key ring, so that sessions can be stored."""
    before = crypto.current() if crypto.configured() else None
    crypto.configure(crypto.KeyRing.parse(crypto.KeyRing.generate()))
    yield
    crypto.configure(before)


@pytest.fixture
async def kit(transactional_db: Any, tmp_path: Path) -> AsyncIterator[Kit]:
    """A runtime of the test's own, with rows in the real database."""
    opened = await open_kit(tmp_path / "spool")
    yield opened
    await close_kit(opened)


@pytest.fixture
async def desk(kit: Kit, ring: None) -> Desk:
    """A person with a demo session and an empty chat."""
    return await open_desk(kit)
