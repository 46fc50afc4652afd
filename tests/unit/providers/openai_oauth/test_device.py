"""Device codes where the server's answers are odd: what still means "not yet", and what does not."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from providers_app import errors
from providers_app.behaviours.oauth import LoginStart, PendingLogin
from providers_app.dispatch import clients
from providers_app.providers.openai import oauth
from providers_app.providers.openai.config import OAuthConfig
from providers_app.types.credentials import Secret

pytestmark = pytest.mark.usefixtures("on_loop", "loopback")
Start = Callable[..., Awaitable[str]]
PENDING = PendingLogin(
    flow="device", method="device", device_code=Secret("deviceauth_1"), user_code="ABCD-EFGH", interval=2.0
)
START = LoginStart(next(flow for flow in oauth.BEHAVIOUR.flows if flow.name == "device"), "device")


async def serve(raw_server: Start, status: int, body: Any, kind: str = "application/json") -> OAuthConfig:
    """A server with one answer, at both addresses."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()

    origin = await raw_server(answer)
    return OAuthConfig(device_code_url=f"{origin}/code", device_token_url=f"{origin}/token")


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("body", [{}, b"", b"<html>Forbidden</html>", {"error": {"code": "unknown"}}], ids=repr)
async def test_not_typed_yet_whatever_the_body_says(raw_server: Start, status: int, body: Any) -> None:
    assert await oauth.poll_device(PENDING, await serve(raw_server, status, body), clients.http()) == PENDING


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_asked_less_often(raw_server: Start, status: int) -> None:
    found = await oauth.poll_device(PENDING, await serve(raw_server, status, {}), clients.http())
    assert isinstance(found, PendingLogin) and found.interval > PENDING.interval


async def test_any_other_refusal_ends_it(raw_server: Start) -> None:
    with pytest.raises(errors.BadRequest):
        await oauth.poll_device(PENDING, await serve(raw_server, 400, {"error": "invalid_request"}), clients.http())


@pytest.mark.parametrize("body", [{"authorization_code": "c"}, {"code_verifier": "v"}, {}, {"authorization_code": 5}])
async def test_an_answer_without_a_code_is_no_answer(raw_server: Start, body: Any) -> None:
    with pytest.raises(errors.BadAnswer):
        await oauth.poll_device(PENDING, await serve(raw_server, 200, body), clients.http())


@pytest.mark.parametrize(
    ("interval", "seconds"), [("5", 5.0), (7, 7.0), ("0", 5.0), (None, 5.0), ("soon", 5.0), ("3600", 60.0)]
)
async def test_the_interval_may_be_a_text(raw_server: Start, interval: Any, seconds: float) -> None:
    given = {"device_auth_id": "d", "usercode": "ABCD", "interval": interval}
    found = await oauth.begin_device(START, await serve(raw_server, 200, given), clients.http())
    assert (found.interval, found.user_code, found.device_code) == (seconds, "ABCD", Secret("d"))


@pytest.mark.parametrize(
    "body", [{"user_code": "A"}, {"device_auth_id": "d"}, {"device_auth_id": "d", "user_code": "x" * 200}], ids=repr
)
async def test_a_code_that_cannot_be_used_is_refused(raw_server: Start, body: Any) -> None:
    with pytest.raises(errors.BadAnswer):
        await oauth.begin_device(START, await serve(raw_server, 200, body), clients.http())
