"""Requests to a token endpoint, and the meaning of its answers for the token that was sent.

The outcome of a request that spends a single-use token (``spends``):

    no connection, address refused             as it is; nothing was sent, nothing is spent
    a terminal code, a terminal status         ``TokenRefused``
    429, 4xx but 408, 409 and 499              typed; the server refused before it spent anything
    everything else                            ``TokenOutcomeUnknown``: silence, a broken connection, 5xx, a redirect,
                                               2xx with an ``error`` or without a JSON object

Secrets travel in the body, and messages quote error codes only.
"""

import email.utils
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from providers_app import conf
from providers_app.behaviours.oauth.refusals import refusal, words_of
from providers_app.behaviours.oauth.token_answer import tokens_from
from providers_app.errors import BadAnswer, TokenOutcomeUnknown, TokenRefused, UpstreamError
from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http
from providers_app.wire.status import class_of_status, recast, retry_after

MAX_BODY = 512 * 1024
UNPROVEN_STATUSES = frozenset({408, 409, 499})
"""Request timeout, conflict (RFC 9110), client closed request (nginx): the server may have spent the token before."""
SKEW_S = 60.0

Encoding = Literal["form", "json"]


class TokenEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The address of a token endpoint and the form of its requests.

    ``encoding`` of the body is ``form`` or ``json``. ``terminal`` are the error codes, ``terminal_statuses`` the
    statuses after which the same token is never accepted again.
    """

    url: str
    encoding: Encoding = "form"
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    terminal: frozenset[str] = frozenset({"invalid_grant"})
    terminal_statuses: frozenset[int] = frozenset()


async def ask(
    endpoint: TokenEndpoint,
    fields: Mapping[str, str | Secret],
    http: Http,
    *,
    spends: bool,
    timeout: float | None = None,  # noqa: ASYNC109  the deadline is the contract
) -> dict[str, Any]:
    """Return the answer to one request, never repeated; empty fields are left out. ``timeout`` is in seconds.

    ``spends`` says that ``fields`` hold a token that may be accepted only once; see the table above. Raises
    ``TokenOutcomeUnknown``, ``TokenRefused``, ``AddressRefused`` and other ``UpstreamError``.
    """
    answer = await _send(endpoint, fields, http, spends=spends, timeout=timeout)
    body = payload.object_in(answer.body)
    if 200 <= answer.status < 300 and body is not None and (not body.get("error") or body.get("access_token")):
        return body
    raise _error(endpoint, answer, body, _secrets(fields), spends=spends)


async def revoke(endpoint: TokenEndpoint, fields: Mapping[str, str | Secret], http: Http) -> bool:
    """End a token (RFC 7009); a token that the server does not know has ended already. Raises ``UpstreamError``."""
    answer = await _send(endpoint, fields, http, spends=False, timeout=None)
    if 200 <= answer.status < 300:
        return True
    body, found = payload.object_in(answer.body), _secrets(fields)
    if answer.status < 500 and {"invalid_token", "invalid_grant"} & set(words_of(body, found).codes):
        return True
    raise _error(endpoint, answer, body, found, spends=False)


async def _send(
    endpoint: TokenEndpoint,
    fields: Mapping[str, str | Secret],
    http: Http,
    *,
    spends: bool,
    timeout: float | None,  # noqa: ASYNC109
) -> HttpResponse:
    seconds = timeout if timeout is not None else conf.current().refresh_timeout_s
    try:
        # A kept connection that the server is just closing would leave it open whether the request arrived.
        return await http.send(_request(endpoint, fields), timeout=seconds, max_body=MAX_BODY, fresh=True)
    except UpstreamError as error:
        if not spends or not error.sent or _unspent(error.status):
            raise
        raise TokenOutcomeUnknown(f"The request was sent and has no answer: {error.message}") from None


def _request(endpoint: TokenEndpoint, fields: Mapping[str, str | Secret]) -> HttpRequest:
    if endpoint.encoding == "json":
        kind, body = "application/json", msgspec.json.encode(plain(fields))
    else:
        kind, body = "application/x-www-form-urlencoded", urlencode(plain(fields)).encode("ascii")
    headers = {"content-type": kind, "accept": "application/json", **endpoint.headers}
    return HttpRequest(method="POST", url=endpoint.url, headers=headers, body=body)


def _error(
    endpoint: TokenEndpoint, answer: HttpResponse, body: dict[str, Any] | None, secrets: list[str], *, spends: bool
) -> UpstreamError:
    where, status = _where(endpoint), answer.status
    words, skew = words_of(body, secrets), skew_of(answer.headers, time.time())
    if 300 <= status < 400 or (200 <= status < 300 and body is None):
        what = "a redirect, which is not followed" if status >= 300 else _kind_of(answer)
        unread: type[UpstreamError] = TokenOutcomeUnknown if spends else BadAnswer
        hint = "" if spends and status < 300 else _ADDRESS
        return unread(f"{where} answered with {what}.", status=status, hint=hint)
    final = endpoint.terminal & set(words.codes) or (spends and status in endpoint.terminal_statuses)
    # A client that is not known says nothing about the login: its configuration may be mended.
    if final and words.code != "invalid_client":
        message = f"{where} does not accept the login any more ({words.named(status)}).{_clock_skew(skew)}"
        code, subtype = words.code or None, words.subtype or None
        refused = TokenRefused(message, status=status, upstream_code=code, type=subtype)
        refused.skew = skew
        return refused
    kind = BadAnswer if status < 300 else class_of_status(status)
    wait = retry_after(answer.headers)
    error = refusal(kind, words, where=where, status=status, retry_after=wait, skew=_clock_skew(skew))
    return recast(error, TokenOutcomeUnknown) if spends and not _unspent(status) else error


def _clock_skew(seconds: float | None) -> str:
    """Return a sentence where the server's clock differs from ours by over a minute, else the empty text."""
    if seconds is None or abs(seconds) < SKEW_S:
        return ""
    way = "behind" if seconds > 0 else "ahead of"
    return f" The clock of this machine is {round(abs(seconds) / 60)} minutes {way} the server's."


def skew_of(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds by which our clock is behind the answer's ``Date`` (negative: ahead); ``None`` without one."""
    try:
        return email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp() - now
    except (ValueError, OverflowError):
        return None


def origin_of(url: str) -> str:
    """Return ``https://host`` of an address: the issuer of a token whose answer names none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _unspent(status: int | None) -> bool:
    """Say whether an answer with this status proves that the server did not take the token."""
    return status is not None and 400 <= status < 500 and status not in UNPROVEN_STATUSES


def _kind_of(answer: HttpResponse) -> str:
    start = answer.body.lstrip()[:1]
    kind = "a web page" if start == b"<" else "something that is no JSON object" if start else "nothing"
    return f"{kind} where tokens should be"


_ADDRESS = "Check the configured address of the token endpoint."


def _where(endpoint: TokenEndpoint) -> str:
    parts = urlsplit(endpoint.url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def plain(fields: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return the fields as text, without empty ones."""
    shown = {name: value.reveal() if isinstance(value, Secret) else value for name, value in fields.items()}
    return {name: value for name, value in shown.items() if value}


def _secrets(fields: Mapping[str, str | Secret]) -> list[str]:
    return [value.reveal() for value in fields.values() if isinstance(value, Secret) and value]


__all__ = ["TokenEndpoint", "ask", "origin_of", "plain", "revoke", "skew_of", "tokens_from"]
