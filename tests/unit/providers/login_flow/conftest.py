"""The provider that signs people in, and stores in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from providers_app import ports
from providers_app.sign_in import pending as login_waiting
from tests.unit.providers.login_flow.memory_logins import MemoryLogins
from tests.unit.providers.login_flow.signer import Side, installed
from tests.unit.providers.memory_store import MemorySessions


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """The provider ``signer`` is installed; this is what it knows."""
    with installed(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def logins(
    on_loop: Any, loopback: Any, side: Side, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MemoryLogins]:
    monkeypatch.setattr(login_waiting, "CHECK_EVERY_S", 0.05)
    store = MemoryLogins(sessions)
    with ports.use(logins=store, refreshes=cast(Any, store)):
        yield store
