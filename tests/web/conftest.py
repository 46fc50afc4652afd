"""Fixtures of pages and sockets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import prepared, with_demo
from tests.unit.context.desk import Desk, open_desk
from tests.unit.context.streams_kit import close_kit, open_kit


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a migrated database and nobody in it."""
    return prepared(tmp_path / "data")


@pytest.fixture
def demo_data(tmp_path: Path) -> Path:
    """A data folder with an owner and the demo session ``try_demo``."""
    return with_demo(tmp_path / "data")


@pytest.fixture
async def desk(transactional_db: Any, tmp_path: Path) -> AsyncIterator[Desk]:
    """A person with a demo session and an empty chat, and a runtime that is the test's own."""
    kit = await open_kit(tmp_path / "spool")
    yield await open_desk(kit)
    await close_kit(kit)
