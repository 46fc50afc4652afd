"""A wall clock that is set, by an hour and either way, while logins are stored: nothing is presented for that."""

import asyncio
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from providers_app import errors
from providers_app.behaviours.oauth import endpoint
from providers_app.refresh import clock
from providers_app.refresh import service as refreshing
from providers_app.refresh.rules import decide
from providers_app.types.credentials import Credential, Secret
from providers_app.types.refresh import RefreshClaim, Trigger
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.refreshing_kit import HOUR, Login, ended, login, lost, row, store
from tests.unit.providers.test_engine import EMPTY, Start, failure, make, post
from tests.unit.providers.test_refresh_rules import ENDED, NOW, OPEN, claim
from tests.waiting import until

__all__ = ["login", "row", "store"]
on_loop = pytest.mark.usefixtures("on_loop", "loopback")
USED = Credential(auth_type="oauth", secret=Secret("access-0"))
Set = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    """Sets the wall clock, to so many seconds beside the true time, and leaves nothing learned of providers."""
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    monkeypatch.setattr(clock, "_told", {})
    yield lambda seconds: offset.__setitem__(0, seconds)


@pytest.mark.parametrize(
    ("wall", "process", "told", "skew", "found"),
    [
        (0, 0, None, 0, (0, 0)),
        (59, 0, None, 0, (59, 59)),  # as clocks differ
        (3600, 0, None, 0, (0, 3600)),  # set forward while the process runs
        (-3600, 0, None, 0, (-3600, 0)),  # set back
        (3600, 0, 3590, 0, (3600, 3600)),  # the provider agrees with the wall clock: nothing was set
        (3600, 3600, 0, 0, (0, 3600)),  # set before the process began: the provider says so
        (-3600, -3600, 0, 0, (-3600, 0)),
        (3600, 0, 3600 - 7200, -7200, (3600, 3600)),  # wrong by two hours, but as when the times were stored
        (3600, 0, 0, -7200, (3600, 7200)),
        (3600, 0, -200_000, 0, (0, 3600)),  # an absurd ``Date`` says nothing
        (86400 * 900, 0, None, 0, (0, 86400 * 900)),
    ],
)
def test_what_time_it_may_be(
    wall: float, process: float, told: float | None, skew: float, found: tuple[float, float]
) -> None:
    found = tuple(NOW + each for each in found)  # type: ignore[assignment]
    assert clock.span(NOW + wall, NOW + process, None if told is None else NOW + told, skew) == found


FORWARD, BACK = (NOW - HOUR, NOW), (NOW, NOW + HOUR)
EARLY = {"earliest_refresh_at": NOW - 1}
READ_ONLY = {"read_only": "another program holds it", **ENDED}


@pytest.mark.parametrize(
    ("found", "trigger", "possible", "action"),
    [
        (claim(tokens=ENDED, **OPEN), "schedule", FORWARD, "keep"),
        (claim(tokens=ENDED, **OPEN), "button", FORWARD, "keep"),
        (claim(tokens=ENDED, **OPEN), "schedule", BACK, "send"),
        (claim(tokens=ENDED, **OPEN), "schedule", None, "send"),
        (claim(tokens=ENDED, **OPEN), "unauthorized", FORWARD, "send"),  # a 401 settles it
        (claim(tokens=ENDED), "schedule", FORWARD, "send"),  # nothing can be lost without an open intent
        (claim(tokens=EARLY), "schedule", FORWARD, "skip"),
        (claim(tokens=EARLY), "use", FORWARD, "skip"),
        (claim(tokens=EARLY), "schedule", None, "send"),
        (claim(tokens=EARLY), "unauthorized", FORWARD, "skip"),  # a 401 does not make it allowed
        (claim(tokens={"earliest_refresh_at": NOW + 1800}), "schedule", BACK, "skip"),
        (claim(tokens={"earliest_refresh_at": NOW + 1800}), "unauthorized", BACK, "skip"),
        (claim(tokens=READ_ONLY), "schedule", FORWARD, "skip"),
        (claim(tokens=READ_ONLY), "schedule", None, "person"),
        (claim(tokens=READ_ONLY), "unauthorized", FORWARD, "person"),
        # A back-off that was set by a clock which was set back since
        (claim(tokens=ENDED, attempts=1, due_at=NOW + 4000, failed_at=NOW + 3600), "use", BACK, "send"),
        (claim(tokens=ENDED, attempts=1, due_at=NOW + 400, failed_at=NOW - 1), "use", BACK, "skip"),
    ],
)
def test_what_could_end_a_login_is_decided_by_the_earliest_time(
    found: RefreshClaim, trigger: Trigger, possible: tuple[float, float] | None, action: str
) -> None:
    earliest = possible[0] if possible else None
    assert decide(found, "single_use", trigger=trigger, seen_generation=4, now=NOW, earliest=earliest).action == action


def test_the_clock_of_a_provider_is_learned_and_its_absence_says_nothing(set_clock: Set) -> None:
    assert clock.possible("remote") == pytest.approx((time.time(), time.time()), abs=5)
    set_clock(HOUR)
    assert clock.possible("remote") == pytest.approx((time.time() - HOUR, time.time()), abs=5), "this process saw it"
    assert clock.skew_of("remote") == 0
    clock.learn("remote", None)
    clock.learn("other", -HOUR)
    assert clock.skew_of("remote") == 0 and clock.skew_of("other") == pytest.approx(-HOUR, abs=1)
    clock.learn("remote", 2)
    assert clock.possible("remote") == pytest.approx((time.time(), time.time()), abs=5), "the provider agrees"
    assert clock.skew_of("remote") == 0
    set_clock(2 * HOUR)
    assert clock.possible("remote") == pytest.approx((time.time() - HOUR, time.time()), abs=5), "set once more"


def test_a_clock_that_is_set_back_is_seen_once(set_clock: Set) -> None:
    watch = clock.Watch()
    set_clock(HOUR)
    assert not watch.was_set_back()
    set_clock(30)
    assert watch.was_set_back() and not watch.was_set_back()


@on_loop
async def test_a_step_presents_nothing_again_and_the_token_is_used_until_a_401(
    store: MemoryRefreshes, row: Row, login: Login, set_clock: Set
) -> None:
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    row.lease_until, row.due_at, login.answer = 0.0, 0.0, login.rotate
    set_clock(2 * HOUR)
    for trigger in ("schedule", "button", "use"):
        assert (await refreshing.refresh_session("s1", trigger=trigger)).done == "kept"  # type: ignore[arg-type]
    assert await refreshing.fresh(1, row.session, USED) == (row.session, USED)
    assert login.sent == ["refresh-0"]
    await refreshing.renewed(1, row.session, errors.AuthenticationFailed("ended"))
    assert (login.sent, row.session.generation) == (["refresh-0"] * 2, 1)


@on_loop
async def test_the_date_of_an_answer_to_a_token_request_is_learned(
    store: MemoryRefreshes, row: Row, login: Login, set_clock: Set, raw_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    date = b"Date: " + formatdate(time.time() - HOUR, usegmt=True).encode() + b"\r\n\r\n"

    async def unavailable(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n" + date)

    async def cached(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY[:-2] + b"Date: " + formatdate(time.time() - 9 * HOUR, usegmt=True).encode() + b"\r\n\r\n")

    url, other = await raw_server(unavailable), await raw_server(cached)

    async def refresh(tokens: Tokens, http: Http) -> Any:
        try:
            return await endpoint.ask(endpoint.TokenEndpoint(url=url), {"refresh_token": "r"}, http, spends=True)
        finally:
            await http.send(msgspec.structs.replace(post(other), method="GET", body=b""))

    monkeypatch.setattr(login, "refresh", refresh)
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "unknown"
    assert clock.skew_of("remote") == pytest.approx(-HOUR, abs=5), "of the answer to the POST"
    ended(row)
    row.lease_until, row.due_at = 0.0, 0.0
    assert (await refreshing.refresh_session("s1", trigger="button")).done == "kept", "it ends in an hour"


@on_loop
async def test_tokens_keep_how_the_clocks_differed(
    store: MemoryRefreshes, row: Row, login: Login, set_clock: Set
) -> None:
    """A clock that is always wrong does no harm: its times are compared with its times."""
    set_clock(HOUR)
    wait = iter((-1, 1800))

    def answer(tokens: Tokens) -> Tokens:
        clock.learn("remote", -HOUR)
        return msgspec.structs.replace(login.rotate(tokens), earliest_refresh_at=time.time() + next(wait))

    login.answer = answer
    await refreshing.refresh_session("s1", trigger="schedule")
    assert row.tokens.skew == pytest.approx(-HOUR, abs=1)
    row.due_at = time.time()
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "refreshed"
    set_clock(2 * HOUR)  # of all that counts, only this is a step
    row.due_at = time.time()
    assert (await refreshing.refresh_session("s1", trigger="schedule")).code == "refresh_too_early"


# The last check


async def test_a_request_that_the_last_check_refuses_never_leaves(raw_server: Start) -> None:
    seen: list[bytes] = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    def refuse() -> None:
        seen.append(b"connected")
        raise errors.RefreshFailed("too slow")

    http = make().watched(refuse, lambda request, answer: None)
    error = await failure(http, post(await raw_server(read, at_once=True)), fresh=True)
    assert isinstance(error, errors.RefreshFailed) and not error.sent
    await http.aclose()
    await until(lambda: len(seen) > 1)
    assert seen == [b"connected", b""]


@on_loop
@pytest.mark.parametrize("frozen", ["process", "machine"])
async def test_a_holder_that_stood_still_while_it_connected_sends_nothing(
    store: MemoryRefreshes, row: Row, login: Login, raw_server: Start, monkeypatch: pytest.MonkeyPatch, frozen: str
) -> None:
    seen: list[bytes] = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    url = await raw_server(read, at_once=True)

    async def refresh(tokens: Tokens, http: Http) -> Any:
        where, name = (clock, "elapsed") if frozen == "process" else (time, "time")
        real = getattr(where, name)
        monkeypatch.setattr(where, name, lambda: real() + 120)
        return await endpoint.ask(endpoint.TokenEndpoint(url=url), {"refresh_token": tokens.refresh}, http, spends=True)

    monkeypatch.setattr(login, "refresh", refresh)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.code) == ("failed", "refresh_failed")
    assert (row.intent_open, row.presentations, b"".join(seen)) == (False, 0, b"")
