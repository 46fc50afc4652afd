"""The listener on this machine: what it takes, what it refuses, and when its port is free again."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from providers_app.errors import ListenerUnavailable
from providers_app.types.credentials import Secret
from providers_app.wire.loopback import MAX_CONNECTIONS, Listener

STATE = Secret("the-state-of-this-sign-in")
GOOD = f"/auth/callback?code=abc&state={STATE.reveal()}"


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = await Listener.start("localhost", (0,), "/auth/callback")
    made.expect(STATE)
    yield made
    made.stop()


async def send(listener: Listener, text: str | bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(text if isinstance(text, bytes) else text.encode("latin-1"))
    try:
        answer = await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        answer = b""
    writer.close()
    return answer.decode()


async def get(listener: Listener, target: str, host: str = "", method: str = "GET") -> str:
    host = host or f"localhost:{listener.port}"
    return await send(listener, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n")


async def nothing_came(listener: Listener) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listener.wait(), 0.05)


async def test_the_answer_arrives_with_its_parameters(listener: Listener) -> None:
    assert listener.redirect_uri == f"http://localhost:{listener.port}/auth/callback"
    page = await get(listener, GOOD)
    assert page.startswith("HTTP/1.1 200 OK\r\n") and "go back to Maestro" in page and "<script" not in page
    for header in ("cache-control: no-store", "referrer-policy: no-referrer", "content-security-policy: default-src"):
        assert header in page.lower()
    assert await asyncio.wait_for(listener.wait(), 60) == {"code": "abc", "state": STATE.reveal()}
    assert "already" in await get(listener, GOOD)


async def test_an_error_is_an_answer(listener: Listener) -> None:
    page = await get(listener, f"/auth/callback?error=access_denied&state={STATE.reveal()}")
    assert page.startswith("HTTP/1.1 200") and "did not grant" in page
    assert (await asyncio.wait_for(listener.wait(), 60))["error"] == "access_denied"


@pytest.mark.parametrize(
    ("target", "host", "method", "status"),
    [
        (GOOD, "evil.example:PORT", "GET", 421),
        (GOOD, "evil.example", "GET", 421),
        (GOOD, "localhost", "GET", 421),
        (GOOD, "localhost:1", "GET", 421),
        ("http://localhost:PORT" + GOOD, "", "GET", 404),
        (GOOD.replace("callback", "callback/"), "", "GET", 404),
        ("/", "", "GET", 404),
        ("/favicon.ico", "", "GET", 404),
        (GOOD, "", "POST", 405),
        (GOOD, "", "HEAD", 405),
        ("/auth/callback?code=abc&state=the-state-of-another", "", "GET", 400),
        ("/auth/callback?code=abc&state=", "", "GET", 400),
        ("/auth/callback?code=abc", "", "GET", 400),
        ("/auth/callback?code=abc&state=%C3%A4", "", "GET", 400),
        (f"/auth/callback?state={STATE.reveal()}", "", "GET", 400),
        (GOOD + "&code=def", "", "GET", 400),
        (GOOD + "&x=1" * 60, "", "GET", 400),
        ("//[", "", "GET", 400),
    ],
)
async def test_anything_else_changes_nothing(
    listener: Listener, target: str, host: str, method: str, status: int
) -> None:
    port = str(listener.port)
    page = await get(listener, target.replace("PORT", port), host.replace("PORT", port), method)
    assert page.startswith(f"HTTP/1.1 {status} ")
    assert "abc" not in page
    await nothing_came(listener)
    assert (await get(listener, GOOD)).startswith("HTTP/1.1 200"), "it goes on listening"
    assert (await asyncio.wait_for(listener.wait(), 60))["code"] == "abc"


async def test_two_hosts_or_none_are_refused(listener: Listener) -> None:
    host = f"Host: localhost:{listener.port}\r\n"
    for heads in ("", host + "Host: evil.example\r\n"):
        assert (await send(listener, f"GET {GOOD} HTTP/1.1\r\n{heads}\r\n")).startswith("HTTP/1.1 421")
    await nothing_came(listener)


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"\r\n\r\n", b"x" * 40_000, b"GET / HTTP/1.1\r\n"])
async def test_noise_does_not_stop_it(listener: Listener, noise: bytes) -> None:
    sender = asyncio.create_task(send(listener, noise))
    assert (await get(listener, GOOD)).startswith("HTTP/1.1 200")
    sender.cancel()
    assert (await asyncio.wait_for(listener.wait(), 60))["code"] == "abc"


async def test_it_takes_nothing_before_it_knows_the_state() -> None:
    listener = await Listener.start("localhost", (0,), "/auth/callback")
    try:
        for state in ("", STATE.reveal()):
            assert (await get(listener, f"/auth/callback?code=abc&state={state}")).startswith("HTTP/1.1 400")
        listener.expect(Secret(""))
        assert (await get(listener, "/auth/callback?code=abc&state=")).startswith("HTTP/1.1 400")
        await nothing_came(listener)
    finally:
        listener.stop()


async def test_a_port_that_is_taken_leads_to_the_next_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        listener = await Listener.start("localhost", (taken, 0), "/auth/callback")
        assert listener.port not in (0, taken)
        listener.stop()
        with pytest.raises(ListenerUnavailable, match=f"port {taken} "):
            await Listener.start("localhost", (taken,), "/auth/callback")
        with pytest.raises(ListenerUnavailable, match=f"{taken} and {taken}"):
            await Listener.start("localhost", (taken, taken), "/auth/callback")


async def test_it_listens_on_this_machine_only(listener: Listener) -> None:
    assert listener._server is not None
    assert [found.getsockname()[0] for found in listener._server.sockets] == ["127.0.0.1"]


async def test_stopping_frees_the_port_and_ends_who_waits(listener: Listener) -> None:
    waiting = asyncio.create_task(listener.wait())
    await asyncio.sleep(0)
    listener.stop()
    listener.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    again = await Listener.start("localhost", (listener.port,), "/auth/callback")
    again.stop()


async def test_silent_connections_do_not_keep_the_answer_out(listener: Listener) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(MAX_CONNECTIONS - 1)]
    assert (await get(listener, GOOD)).startswith("HTTP/1.1 200")
    for _, writer in silent:
        writer.close()


async def test_the_query_is_logged_nowhere(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await get(listener, GOOD)
    await get(listener, GOOD.replace("state=", "state=x"))
    assert "abc" not in caplog.text and STATE.reveal() not in caplog.text
