"""A login whose kind of sign-in was turned off: not used, not refreshed, and kept as it is."""

import time
from typing import Any

import msgspec
import pytest

from providers_app import errors, provider
from providers_app.behaviours.oauth import OAuthFlow
from providers_app.refresh import gate as flow_gate
from providers_app.refresh import service as refreshing
from providers_app.types.credentials import Secret
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.refreshing_kit import Login, chat, ended, login, mirror, row, serve, store

__all__ = ["login", "row", "store"]
pytestmark = pytest.mark.usefixtures("on_loop", "loopback")


@pytest.fixture
def off(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's own flow is a restricted one, and nobody has turned it on."""
    row.session = msgspec.structs.replace(row.session, flow="page")
    flow = OAuthFlow(name="page", label="Page", methods=("callback",), rotation="single_use", restricted=True)
    monkeypatch.setattr(Login, "flows", (flow,))


@pytest.mark.usefixtures("off")
async def test_the_schedule_spends_nothing_and_comes_back_later(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.intent_open, row.presentations = True, 2
    ended(row)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.code, login.sent) == ("skipped", "flow_disabled", [])
    assert store.steps == ["claim", "postpone"] and not row.lease, "a login that seems lost is not given up either"
    assert row.due_at == pytest.approx(time.time() + flow_gate.RECHECK_S, abs=5)
    assert (row.intent_open, row.presentations, row.failure, row.tokens.refresh) == (True, 2, None, Secret("refresh-0"))


@pytest.mark.usefixtures("off")
async def test_asking_for_a_refresh_names_the_setting(row: Row, sessions: MemorySessions) -> None:
    with pytest.raises(errors.FlowDisabled, match="'work' is kept, but not used") as caught:
        await provider.refresh_tokens("remote", "work", owner=1)
    assert "MAESTRO_PROVIDERS__REMOTE__ENABLED_FLOWS=page" in caught.value.hint


@pytest.mark.usefixtures("off")
async def test_a_chat_does_not_use_the_login(
    store: MemoryRefreshes, row: Row, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, {"access-0"}, seen))
    with pytest.raises(errors.FlowDisabled, match="'work' is kept, but not used"):
        await chat()
    assert seen == []


@pytest.mark.usefixtures("off")
async def test_a_flow_that_its_provider_does_not_know_goes_on(row: Row, login: Login) -> None:
    row.session = msgspec.structs.replace(row.session, flow="of_before")
    row.tokens = msgspec.structs.replace(row.tokens, flow="of_before")
    assert (await provider.refresh_tokens("remote", "work", owner=1)).refresh == Secret("refresh-1")
    assert flow_gate.why_off("nobody", "page") is None and flow_gate.why_off("demo", "page") is None
