"""What each answer of a token endpoint means for the token that was sent; the server is a real one."""

import asyncio
import email.utils
import struct
import time
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import msgspec
import pytest

from providers_app import conf
from providers_app.behaviours.oauth import endpoint
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, ask, revoke
from providers_app.dispatch.clients import make
from providers_app.errors import (
    AddressRefused,
    AnswerTooLarge,
    AuthenticationFailed,
    BadAnswer,
    BadRequest,
    Conflict,
    ConnectionFailed,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProviderError,
    RateLimited,
    ServerError,
    StreamInterrupted,
    TokenOutcomeUnknown,
    TokenRefused,
    UpstreamError,
    UpstreamTimeout,
)
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.credentials import Secret
from providers_app.wire.client import Http
from providers_app.wire.guard import Guard
from tests.servers import free_port
from tests.unit.providers.oauth.conftest import Seen, TokenServer
from tests.waiting import put_forward

TOKEN = "rt-a+b/c=d&e f%20ü-very-long-and-secret"
FIELDS = {"grant_type": "refresh_token", "refresh_token": Secret(TOKEN), "client_id": "me", "client_secret": Secret("")}
GOOD = {"access_token": "at", "expires_in": 3600}


async def refused(
    server: TokenServer,
    http: Http,
    kind: type[ProviderError],
    *,
    spends: bool = True,
    timeout: float = 20,
    **changes: object,
) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(msgspec.structs.replace(server.endpoint, **changes), FIELDS, http, spends=spends, timeout=timeout)
    assert type(caught.value) is kind, repr(caught.value)
    return caught.value


async def test_a_form_is_encoded_right_and_nothing_secret_is_in_the_address(server: TokenServer, http: Http) -> None:
    server.answer(200, GOOD)
    assert await ask(server.endpoint, FIELDS, http, spends=True) == GOOD
    seen = server.seen[0]
    assert seen.line == "POST /token HTTP/1.1"
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert seen.headers["accept"] == "application/json"
    assert seen.headers["user-agent"].startswith("Maestro/")
    assert seen.form == {"grant_type": "refresh_token", "refresh_token": TOKEN, "client_id": "me"}
    assert b"rt-a%2Bb%2Fc%3Dd%26e+f%2520%C3%BC" in seen.body


async def test_json_bodies_and_further_headers(server: TokenServer, http: Http) -> None:
    server.answer(200, GOOD)
    where = TokenEndpoint(url=server.endpoint.url, encoding="json", headers={"x-beta": "one"})
    await ask(where, FIELDS, http, spends=True)
    seen = server.seen[0]
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-beta"] == "one"
    assert seen.json == {"grant_type": "refresh_token", "refresh_token": TOKEN, "client_id": "me"}


async def test_each_request_has_a_connection_of_its_own(server: TokenServer, http: Http) -> None:
    server.answer(200, GOOD)
    await ask(server.endpoint, FIELDS, http, spends=True)
    assert server.seen[0].headers["connection"] == "close"


# Before anything is sent


async def test_nobody_listens(http: Http) -> None:
    url = f"http://127.0.0.1:{free_port()}/token"
    with pytest.raises(ConnectionFailed) as caught:
        await ask(TokenEndpoint(url=url), FIELDS, http, spends=True)
    assert caught.value.sent is False


async def test_an_address_that_is_not_allowed() -> None:
    client = make(ProvidersConfig())
    with pytest.raises(AddressRefused):
        await ask(TokenEndpoint(url="http://127.0.0.1:9/token"), FIELDS, client, spends=True)
    await client.aclose()


async def test_a_name_that_takes_longer_than_the_deadline_sent_nothing(loopback: ProvidersConfig) -> None:
    async def never(host: str, port: int) -> list[str]:
        put_forward(20)
        await asyncio.Event().wait()
        return []

    client = Http(guard=Guard(loopback.allowed_private_hosts), resolver=never)
    with pytest.raises(UpstreamTimeout) as caught:
        await ask(TokenEndpoint(url="http://localhost:9/token"), FIELDS, client, spends=True, timeout=20)
    assert caught.value.sent is False
    await client.aclose()


@pytest.mark.parametrize("ends", [True, False])
async def test_a_tls_handshake_that_fails_or_hangs_sent_nothing(raw_server: Any, http: Http, ends: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        if not ends:
            put_forward(20)
            await reader.read()

    url = await raw_server(answer, at_once=True)
    with pytest.raises(UpstreamError) as caught:
        await ask(TokenEndpoint(url=url.replace("http:", "https:")), FIELDS, http, spends=True, timeout=20)
    assert type(caught.value) is (ConnectionFailed if ends else UpstreamTimeout)
    assert caught.value.sent is False


# After it was sent


async def silence(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    put_forward(20)
    await reader.read()


async def hang_up(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half_a_body(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"access_token": "at')


async def half_a_body_then_silence(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await half_a_body(seen, reader, writer)
    await silence(seen, reader, writer)


async def no_http(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")


async def endless(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (endpoint.MAX_BODY + 10))


BROKEN: list[tuple[Callable[..., object], type[UpstreamError]]] = [
    (silence, UpstreamTimeout),
    (hang_up, ConnectionFailed),
    (reset, ConnectionFailed),
    (half_a_body, StreamInterrupted),
    (half_a_body_then_silence, UpstreamTimeout),
    (no_http, ConnectionFailed),
    (endless, AnswerTooLarge),
]


@pytest.mark.parametrize(("behave", "kind"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
async def test_no_readable_answer_leaves_a_refresh_unknown_and_a_code_exchange_typed(
    server: TokenServer, http: Http, behave: Callable[..., object], kind: type[UpstreamError]
) -> None:
    server.answers.append(behave)  # type: ignore[arg-type]
    await refused(server, http, TokenOutcomeUnknown)
    error = await refused(server, http, kind, spends=False)
    assert isinstance(error, UpstreamError)
    assert error.sent is True


@pytest.mark.parametrize(
    "body",
    [b"", b"  \n", b"<html><title>Welcome to the hotel</title>", b"access_token=at", b"[]", b'"at"', b"null", b"{"],
)
async def test_a_2xx_that_is_no_object(server: TokenServer, http: Http, body: bytes) -> None:
    server.answer(200, body)
    error = await refused(server, http, TokenOutcomeUnknown)
    assert "hotel" not in error.message
    await refused(server, http, BadAnswer, spends=False)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 529, 408, 409, 499, 302, 307])
@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b'{"error": "temporarily_unavailable"}'])
async def test_a_status_that_does_not_prove_that_nothing_was_spent(
    server: TokenServer, http: Http, status: int, body: bytes
) -> None:
    server.answer(status, body, Retry_After="37")
    error = await refused(server, http, TokenOutcomeUnknown)
    assert isinstance(error, TokenOutcomeUnknown) and error.status == status
    assert status < 400 or (f"{status}" in error.message and error.retry_after == 37)


async def test_a_terminal_code_is_one_even_through_a_gateway(server: TokenServer, http: Http) -> None:
    server.answer(502, {"error": "invalid_grant"})
    await refused(server, http, TokenRefused)


ANSWERED: list[tuple[int, object, type[UpstreamError]]] = [
    (429, {"error": "rate_limited"}, RateLimited),
    (429, b"<html>slow down</html>", RateLimited),
    (429, {"error": "invalid_client"}, RateLimited),
    (400, {"error": "invalid_request"}, BadRequest),
    (400, {"error": "unsupported_grant_type"}, BadRequest),
    (400, {"error": "invalid_scope"}, BadRequest),
    (400, {"error": "unauthorized_client"}, PermissionDenied),
    (400, {"error": "invalid_client"}, AuthenticationFailed),
    (401, {"error": {"code": "invalid_client", "message": "no"}}, AuthenticationFailed),
    (401, b"", AuthenticationFailed),
    (403, {"detail": "Forbidden for you"}, PermissionDenied),
    (403, {"detail": {"error_code": "not_eligible"}}, PermissionDenied),
    (404, b"<html>not here</html>", NotFound),
    (400, b"", BadRequest),
]


UNPROVEN: list[tuple[int, object, type[UpstreamError]]] = [
    (503, b"", Overloaded),
    (503, {"error": "temporarily_unavailable"}, Overloaded),
    (500, {"error": "server_error"}, ServerError),
    (500, b"<html>", ServerError),
    (409, {"error": "conflict"}, Conflict),
    (200, {"error": "temporarily_unavailable"}, Overloaded),
    (302, b"", BadAnswer),
    (307, {"error": "invalid_grant"}, BadAnswer),
]


@pytest.mark.parametrize(("status", "body", "kind"), UNPROVEN)
async def test_without_a_token_to_spend_an_error_is_what_it_is(
    server: TokenServer, http: Http, status: int, body: object, kind: type[UpstreamError]
) -> None:
    server.answer(status, body)  # type: ignore[arg-type]
    await refused(server, http, kind, spends=False)
    await refused(server, http, TokenOutcomeUnknown)


@pytest.mark.parametrize(("status", "body", "kind"), ANSWERED)
@pytest.mark.parametrize("spends", [True, False])
async def test_an_answer_that_gives_nothing_spends_nothing(
    server: TokenServer, http: Http, status: int, body: object, kind: type[UpstreamError], spends: bool
) -> None:
    server.answer(status, body)  # type: ignore[arg-type]
    error = await refused(server, http, kind, spends=spends)
    assert isinstance(error, UpstreamError)
    assert error.status == status
    assert "Forbidden for you" not in error.message
    assert error.body == b""


@pytest.mark.parametrize(
    ("status", "kind"), [(400, AnswerTooLarge), (500, TokenOutcomeUnknown), (502, TokenOutcomeUnknown)]
)
async def test_an_error_answer_that_is_too_long(
    server: TokenServer, http: Http, status: int, kind: type[UpstreamError]
) -> None:
    server.answer(status, b"x" * (endpoint.MAX_BODY + 1))
    await refused(server, http, kind)


async def test_a_redirect_is_not_followed(server: TokenServer, http: Http) -> None:
    server.answer(307, b"", Location=f"{server.origin}/elsewhere")
    await refused(server, http, BadAnswer, spends=False)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 503, 400, 500])
async def test_retry_after_is_kept(server: TokenServer, http: Http, status: int) -> None:
    server.answer(status, {"error": "slow_down"}, Retry_After="37")
    with pytest.raises(UpstreamError) as caught:
        await ask(server.endpoint, FIELDS, http, spends=True)
    assert caught.value.retry_after == 37


@pytest.mark.parametrize(
    ("body", "code", "subtype"),
    [
        ({"error": "invalid_grant", "error_description": "x"}, "invalid_grant", None),
        ({"error": {"code": "invalid_grant", "message": "x"}}, "invalid_grant", None),
        ({"error": "invalid_grant", "code": "refresh_token_reused"}, "refresh_token_reused", None),
        ({"error": "invalid_grant", "error_subtype": "invalid_rapt"}, "invalid_grant", "invalid_rapt"),
        ({"detail": {"error_code": "invalid_grant"}}, "invalid_grant", None),
        ({"code": "invalid_grant"}, "invalid_grant", None),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 200])
async def test_the_final_word(
    server: TokenServer, http: Http, body: object, code: str, subtype: str | None, status: int
) -> None:
    server.answer(status, body)  # type: ignore[arg-type]
    if status == 200 and "error" not in body:  # type: ignore[operator]
        return
    error = await refused(server, http, TokenRefused)
    assert isinstance(error, TokenRefused)
    assert (error.upstream_code, error.type) == (code, subtype)


async def test_a_providers_own_terminal_codes_and_statuses(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": {"code": "refresh_token_reused"}})
    await refused(server, http, BadRequest)
    await refused(server, http, TokenRefused, terminal=frozenset({"refresh_token_reused"}))
    server.answers.clear()
    server.answer(401, b"<html>")
    await refused(server, http, AuthenticationFailed)
    await refused(server, http, TokenRefused, terminal_statuses=frozenset({401}))
    # The statuses speak of a refresh token; a code exchange has none.
    await refused(server, http, AuthenticationFailed, spends=False, terminal_statuses=frozenset({401}))


@pytest.mark.parametrize("status", [400, 401])
async def test_an_unknown_client_says_nothing_about_the_login(server: TokenServer, http: Http, status: int) -> None:
    server.answer(status, {"error": "invalid_client"})
    final = {"terminal": frozenset({"invalid_grant", "invalid_client"}), "terminal_statuses": frozenset({401})}
    await refused(server, http, AuthenticationFailed, **final)


async def test_a_code_that_repeats_the_token_is_not_shown(server: TokenServer, http: Http) -> None:
    token = "1-abcdefghijklmnop"
    for echo in (token, f"unknown_token_{token}", token[:16]):
        server.answers.clear()
        server.answer(400, {"error": echo, "error_description": f"no such token {token}"})
        with pytest.raises(UpstreamError) as caught:
            await ask(server.endpoint, {"refresh_token": Secret(token)}, http, spends=True)
        shown = f"{caught.value.message}{caught.value.hint}{caught.value.upstream_code}{caught.value!r}"
        assert token[:16] not in shown


async def test_a_wrong_clock_is_said(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": "invalid_grant"}, Date=email.utils.formatdate(time.time() + 900, usegmt=True))
    error = await refused(server, http, TokenRefused)
    assert isinstance(error, TokenRefused)
    assert "15 minutes behind" in error.message
    assert error.skew == pytest.approx(900, abs=5)


async def test_the_deadline_is_the_configured_one(server: TokenServer, loopback: ProvidersConfig) -> None:
    server.answers.append(silence)
    client = make(loopback)
    settings = loopback.model_copy(update={"refresh_timeout_s": 19.5})
    with conf.use(settings), pytest.raises(TokenOutcomeUnknown, match=r"19\.5 s"):
        await ask(server.endpoint, FIELDS, client, spends=True)
    await client.aclose()


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, {}), (204, b""), (400, {"error": "invalid_token"})])
async def test_revoked_or_unknown_is_ended(server: TokenServer, http: Http, status: int, body: bytes) -> None:
    server.answer(status, body)
    assert await revoke(server.endpoint, {"token": Secret("t")}, http) is True
    assert server.seen[0].form == {"token": "t"}


async def test_a_revocation_that_failed(server: TokenServer, http: Http) -> None:
    server.answer(503, b"")
    with pytest.raises(Overloaded):
        await revoke(server.endpoint, {"token": Secret("t")}, http)
