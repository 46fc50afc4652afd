"""Fixtures of contexts and streams."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.context.streams_kit import Kit, close_kit, open_kit


@pytest.fixture
async def kit(transactional_db: Any, tmp_path: Path) -> AsyncIterator[Kit]:
    """A runtime of the test's own, with rows in the real database."""
    opened = await open_kit(tmp_path / "spool")
    yield opened
    await close_kit(opened)
