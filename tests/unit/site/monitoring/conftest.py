"""A data folder of its own for each test of the monitoring, and snapshots to put into it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from maestro_site.monitoring.snapshots import Snapshot
from providers_app import measures

Make = Callable[..., Snapshot]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty data folder, and nothing counted."""
    measures.here.clear()
    with override_settings(DATA_DIR=tmp_path):
        yield tmp_path / "monitoring"
    measures.here.clear()


@pytest.fixture
def make() -> Make:
    """Makes snapshots of processes that live."""

    def made(process: str = "one", *, at: float, **values: Any) -> Snapshot:
        return Snapshot(**{"process": process, "kind": "web", "started_at": at - 60, "at": at, **values})

    return made
