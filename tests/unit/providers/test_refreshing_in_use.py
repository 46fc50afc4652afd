"""A session in use: a 401, a token that has ended, and what a refresh on the way changes."""

import time
from typing import Any

import msgspec
import pytest

from providers_app import errors, provider
from providers_app.ports import Session
from providers_app.refresh import service as refreshing
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import StreamEnd, StreamStart
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.refreshing_kit import Login, chat, ended, login, mirror, outcomes_of, row, serve, store

__all__ = ["login", "row", "store"]
pytestmark = pytest.mark.usefixtures("on_loop", "loopback")


async def test_the_key_that_was_obtained_with_the_tokens_is_renewed_with_them(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    row.tokens = msgspec.structs.replace(row.tokens, api_key=Secret("key-0"))
    await refreshing.refresh_session("s1", trigger="schedule")
    assert (row.tokens.api_key, login.keys) == (Secret("key-0"), 0), "a key that works is kept"
    report = await refreshing.refresh_session("s1", trigger="unauthorized", seen_generation=1)
    assert (row.tokens.api_key, report.why) == (Secret("key-1"), "refreshed, with a new key")


async def test_a_401_is_answered_with_one_refresh_and_one_retry(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, {"access-1"}, seen))
    events = await chat()
    assert isinstance(events[-1], StreamEnd)
    assert isinstance(events[0], StreamStart) and events[0].advice[0].message == "A header was added."
    assert seen == ["access-0", "access-1"] and login.sent == ["refresh-0"]
    result = await provider.complete_chat("remote", "work", "hello", model="m", owner=1)
    assert result.advice[0].field == "headers"


async def test_a_second_401_is_final(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, set(), seen))
    with pytest.raises(errors.AuthenticationFailed):
        await chat()
    assert seen == ["access-0", "access-1"]
    assert await outcomes_of(sessions) == [errors.AuthenticationFailed]
    assert not sessions.outcomes[0][1].mendable


async def test_a_second_401_of_what_is_no_chat_is_final_and_recorded_too(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, set(), seen))
    with pytest.raises(errors.AuthenticationFailed):
        await provider.list_models("remote", "oauth", "work", owner=1, refresh=True)
    assert seen == ["access-0", "access-1"]
    assert await outcomes_of(sessions) == [errors.AuthenticationFailed]


async def test_a_401_while_the_token_endpoint_is_busy_says_so_and_is_recorded(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, set(), seen))
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.RateLimited("busy", retry_after=30))
    with pytest.raises(errors.RefreshFailed, match="busy") as caught:
        await chat()
    assert caught.value.retry_after == pytest.approx(30, abs=8)
    assert await outcomes_of(sessions) == [errors.AuthenticationFailed]


async def test_a_401_before_a_refresh_is_allowed_is_recorded_and_says_when(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, set(), seen))
    at = time.time() + 1200
    row.tokens = msgspec.structs.replace(row.tokens, earliest_refresh_at=at)
    with pytest.raises(errors.RefreshTooEarly, match=time.strftime("%H:%M UTC", time.gmtime(at))) as caught:
        await chat()
    assert "Sign in again" in caught.value.hint and login.sent == []
    assert await outcomes_of(sessions) == [errors.AuthenticationFailed]
    assert sessions.outcomes[0][1].mendable, "a later refresh may bring a token that is accepted"


async def test_an_ended_token_is_refreshed_before_it_is_used(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, {"access-1"}, seen))
    ended(row)
    await chat()
    assert seen == ["access-1"]


async def test_an_ended_login_that_needs_a_person_is_not_even_tried(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    mirror(store, sessions, await serve(raw_server, set(), seen))
    ended(row)
    row.session = msgspec.structs.replace(row.session, status="needs_reauth")
    with pytest.raises(errors.NeedsReauth):
        await chat()
    assert seen == []


async def test_a_test_that_refreshed_tells_of_the_new_login(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int | None] = []

    async def record(session: Session, error: Any) -> None:
        told.append(session.generation)

    async def refuse_the_first(credential: Credential, http: Any) -> Account:
        if credential.secret == Secret("access-0"):
            raise errors.AuthenticationFailed("ended")
        return Account()

    mirror(store, sessions)
    monkeypatch.setattr(sessions, "record_test", record)
    monkeypatch.setattr(login, "test", refuse_the_first)
    await provider.test_session("remote", "oauth", "work", owner=1)
    assert told == [1]


async def test_a_use_does_not_ask_again_before_the_endpoint_wants_it(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    ended(row)
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.RateLimited("wait", retry_after=600))
    for _ in range(3):
        with pytest.raises(errors.RefreshFailed) as caught:
            await refreshing.fresh(1, row.session, Credential(auth_type="oauth", secret=Secret("access-0")))
        assert caught.value.retry_after is not None and caught.value.retry_after > 500
    assert login.sent == ["refresh-0"]
    report = await refreshing.refresh_session("s1", trigger="button")
    assert (report.done, len(login.sent)) == ("failed", 2), "a person may ask all the same"


async def test_a_401_whose_refresh_could_not_begin_blames_nobody(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    store.lease_is_lost = True
    with pytest.raises(errors.RefreshFailed):
        await refreshing.renewed(1, row.session, errors.AuthenticationFailed("refused"))


async def test_a_key_that_was_obtained_with_the_tokens_outlives_them(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    ended(row)
    row.tokens = msgspec.structs.replace(row.tokens, api_key=Secret("key-0"))
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.ServerError("oops"))
    given = Credential(auth_type="oauth", secret=Secret("key-0"))
    assert await refreshing.fresh(1, row.session, given) == (row.session, given)


async def test_a_session_that_was_switched_off_during_its_refresh_is_not_used(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions
) -> None:
    ended(row)
    keep = store.keep

    async def kept_and_switched_off(*args: Any) -> Any:
        found = await keep(*args)
        row.session = msgspec.structs.replace(row.session, status="disabled")
        return found

    store.keep = kept_and_switched_off  # type: ignore[assignment, method-assign]
    with pytest.raises(errors.SessionDisabled):
        await refreshing.fresh(1, row.session, Credential(auth_type="oauth", secret=Secret("access-0")))


PAGE = "https://maestro.example/sessions/s1/"


@pytest.mark.parametrize("how", ["ended", "refused", "refused twice", "refused early"])
async def test_a_login_that_dies_in_use_says_where_to_sign_in_again(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any, how: str
) -> None:
    row.session = msgspec.structs.replace(row.session, page=PAGE)
    mirror(store, sessions, await serve(raw_server, set(), []))
    if how == "ended":
        ended(row)
    if how == "refused early":
        row.tokens = msgspec.structs.replace(row.tokens, earliest_refresh_at=time.time() + 1200)
    elif how != "refused twice":
        login.answer = lambda tokens: (_ for _ in ()).throw(errors.TokenRefused("no", upstream_code="invalid_grant"))
    with pytest.raises(errors.ProviderError) as caught:
        await chat()
    assert caught.value.hint == f"Sign in again at {PAGE}: the session keeps its name and its trail."
    assert caught.value.code in ("needs_reauth", "upstream_authentication", "refresh_too_early")
