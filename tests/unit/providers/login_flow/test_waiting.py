"""Sign-ins that complete by themselves: a listener on this machine, and device codes."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers_app import conf, loop
from providers_app.errors import (
    ConnectionFailed,
    InvalidLoginAnswer,
    ListenerUnavailable,
    LoginDenied,
    LoginExpired,
    PermissionDenied,
)
from providers_app.registry.settings import ProvidersConfig
from providers_app.sign_in import flow as login_flow
from providers_app.sign_in import pending as login_waiting
from tests.unit.providers.login_flow.memory_logins import MemoryLogins
from tests.unit.providers.login_flow.signer import Side
from tests.waiting import until


async def begin(name: str = "dev_login", **given: Any) -> Any:
    return await login_flow.begin_login("signer", **{"name": name, "method": "loopback", "owner": 1, **given})


async def visit(address: str) -> str:
    """What a browser gets there: the status line and the page."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return answer.decode()


async def wait(pending: Any, owner: int = 1) -> Any:
    return await asyncio.wait_for(login_flow.wait_login(pending.id, owner=owner), 60)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def is_free(port: int) -> bool:
    for _ in range(1000):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return True
        writer.close()
        await asyncio.sleep(0.02)
    return False


async def test_the_listener_completes_the_sign_in(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    assert logins.state(pending.id).step == "listening"
    address = side.allow(pending.url)
    assert address.startswith("http://127.0.0.1:")
    page = await visit(address)
    assert page.startswith("HTTP/1.1 200") and "go back to Maestro" in page
    assert (await wait(pending)).name == "dev_login"
    assert await is_free(urlsplit(address).port or 0)


async def test_a_wrong_state_does_not_end_it(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    assert (await visit(f"{pending.redirect_uri}?code=x&state=wrong")).startswith("HTTP/1.1 400")
    assert logins.state(pending.id).status == "waiting"
    await visit(side.allow(pending.url))
    assert (await wait(pending)).name == "dev_login"


async def test_a_denial_reaches_the_page(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    assert "did not grant" in await visit(side.allow(pending.url, deny=True))
    with pytest.raises(LoginDenied):
        await wait(pending)
    assert logins.state(pending.id).status == "failed"


async def test_the_address_can_be_pasted_instead(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    session = await login_flow.complete_login(pending.id, answer=side.allow(pending.url), owner=1)
    assert session.name == "dev_login"
    assert await is_free(urlsplit(pending.redirect_uri).port or 0)


async def test_cancelling_gives_the_port_back(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    await login_flow.cancel_login(pending.id, owner=1)
    assert await is_free(urlsplit(pending.redirect_uri).port or 0)


async def test_an_end_that_came_elsewhere_gives_the_port_back(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    await logins.claim_login(pending.id)
    await logins.advance_login(pending.id, status="cancelled")
    assert await is_free(urlsplit(pending.redirect_uri).port or 0)


async def test_time_gives_the_port_back(logins: MemoryLogins, side: Side, loopback: ProvidersConfig) -> None:
    with conf.use(loopback.model_copy(update={"login_ttl_s": 0.3})):
        pending = await begin()
    assert await is_free(urlsplit(pending.redirect_uri).port or 0)
    with pytest.raises(LoginExpired):
        await wait(pending)


async def test_the_loops_end_gives_the_port_back(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    await loop.shutdown(0.5)
    assert await is_free(urlsplit(pending.redirect_uri).port or 0)
    loop.attach(asyncio.get_running_loop())


async def test_ports_that_others_have_are_named(logins: MemoryLogins, side: Side) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        side.ports = (other.getsockname()[1],)
        with pytest.raises(ListenerUnavailable, match=str(side.ports[0])):
            await begin()
    assert logins.rows == {} and side.asked == []


async def test_an_older_sign_in_of_the_same_person_makes_room(logins: MemoryLogins, side: Side) -> None:
    side.ports = (free_port(),)
    old = await begin("old_one")
    with pytest.raises(ListenerUnavailable):
        await begin("of_bob", owner=2)
    new = await begin("new_one")
    assert logins.state(old.id).status == "cancelled" and new.redirect_uri == old.redirect_uri
    await visit(side.allow(new.url))
    assert (await wait(new)).name == "new_one"


async def test_a_provider_that_fails_at_the_start_leaves_no_listener(logins: MemoryLogins, side: Side) -> None:
    side.ports, side.closed = (free_port(),), ConnectionFailed("Not there.")
    with pytest.raises(ConnectionFailed):
        await begin()
    assert await is_free(side.ports[0]) and logins.rows == {}


async def test_a_device_code_is_asked_for_until_it_was_typed(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(method="device")
    assert pending.user_code == "ABCD-EFGH" and not pending.device_code
    await until(lambda: side.asked.count("poll") > 1)
    assert logins.state(pending.id).status == "waiting"
    _type(side, "acc-9")
    assert (await wait(pending)).name == "dev_login"
    polls = side.asked.count("poll")
    await asyncio.sleep(0.1)
    assert side.asked.count("poll") == polls
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-9"]


async def test_a_device_code_takes_no_answer(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(method="device")
    with pytest.raises(InvalidLoginAnswer):
        await login_flow.complete_login(pending.id, answer="a-code", owner=1)
    assert logins.state(pending.id).status == "waiting"


async def test_a_device_code_that_was_declined(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(method="device")
    _type(side, "deny")
    with pytest.raises(LoginDenied):
        await wait(pending)


async def test_a_provider_that_is_away_for_a_moment_is_asked_again(logins: MemoryLogins, side: Side) -> None:
    side.faults.append(ConnectionFailed("Not there."))
    pending = await begin(method="device")
    await asyncio.sleep(0.05)
    _type(side, "acc-1")
    assert (await wait(pending)).name == "dev_login"


AWAY = ["find_login", "claim_login", "poll_turn", "advance_login", "create_session"]


@pytest.mark.parametrize("call", AWAY)
async def test_a_database_that_is_away_for_a_moment_loses_no_device_login(
    logins: MemoryLogins, side: Side, call: str
) -> None:
    pending = await begin(method="device")
    logins.away = [call, call]
    await asyncio.sleep(0.1)
    _type(side, "acc-1")
    assert (await wait(pending)).name == "dev_login" and logins.away == []


@pytest.mark.parametrize("call", [call for call in AWAY if call != "poll_turn"])
async def test_a_database_that_is_away_for_a_moment_loses_no_answer_to_a_listener(
    logins: MemoryLogins, side: Side, call: str
) -> None:
    pending = await begin()
    logins.away = [call, call]
    await visit(side.allow(pending.url))
    assert (await wait(pending)).name == "dev_login" and logins.away == []


async def test_a_final_refusal_ends_the_polling(logins: MemoryLogins, side: Side) -> None:
    side.faults.append(PermissionDenied("Not this client."))
    pending = await begin(method="device")
    with pytest.raises(PermissionDenied):
        await wait(pending)
    assert logins.state(pending.id).status == "failed" and side.asked.count("poll") == 1


async def test_cancelling_ends_the_polling(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(method="device")
    await login_flow.cancel_login(pending.id, owner=1)
    _type(side, "acc-1")
    polls = side.asked.count("poll")
    await asyncio.sleep(0.15)
    assert side.asked.count("poll") == polls and logins.sessions.rows == {}


async def test_a_device_code_expires(logins: MemoryLogins, side: Side, loopback: ProvidersConfig) -> None:
    with conf.use(loopback.model_copy(update={"device_login_ttl_s": 0.2})):
        pending = await begin(method="device")
    with pytest.raises(LoginExpired):
        await wait(pending)
    assert logins.state(pending.id).status == "failed"


async def test_whoever_looks_takes_the_polling_of_a_process_that_is_gone(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(method="device")
    login_waiting.forget(pending.id)
    await asyncio.sleep(0.05)
    polls = side.asked.count("poll")
    for _ in range(3):
        assert (await login_flow.login_state(pending.id, owner=1)).status == "waiting"
    await asyncio.sleep(0.1)
    assert side.asked.count("poll") == polls, "its turn is not over yet"
    logins.rows[pending.id].turn_until = 0.0
    _type(side, "acc-1")
    assert (await wait(pending)).name == "dev_login"


def _type(side: Side, account: str) -> None:
    for code in side.devices:
        side.devices[code] = account
