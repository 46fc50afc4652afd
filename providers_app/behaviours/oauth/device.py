"""The device authorization grant (RFC 8628), and what providers with device endpoints of their own share."""

from typing import Any

import msgspec

from providers_app.behaviours.oauth import PendingLogin
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, ask
from providers_app.behaviours.oauth.grants import NONE, Fields
from providers_app.behaviours.oauth.token_answer import seconds
from providers_app.errors import BadAnswer, ConnectionFailed, LoginDenied, LoginExpired, UpstreamError, UpstreamTimeout
from providers_app.types.credentials import Secret
from providers_app.wire.client import Http

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL_S = 5.0
SLOW_DOWN_S = 5.0
LONGEST_INTERVAL_S = 60.0
LONGEST_WAIT_S = 300.0
MAX_TEXT = 2000


class DeviceCode(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a device authorization endpoint; ``interval`` and ``expires_in`` are in seconds."""

    device_code: Secret
    user_code: str
    url: str
    interval: float = DEFAULT_INTERVAL_S
    expires_in: float | None = None


async def request(endpoint: TokenEndpoint, fields: Fields, http: Http) -> DeviceCode:
    """Ask for a code that a person types (section 3.1). Raises ``UpstreamError``."""
    return read(await ask(endpoint, fields, http, spends=False))


def read(answer: dict[str, Any]) -> DeviceCode:
    """Return the device code in an answer (section 3.2, or the older ``verification_url``). Raises ``BadAnswer``."""
    device, user = answer.get("device_code"), answer.get("user_code")
    url = answer.get("verification_uri") or answer.get("verification_url")
    if not (_fit(device) and _fit(user) and _fit(url) and str(url).startswith(("https://", "http://"))):
        raise BadAnswer("The provider's answer has no device code that can be used.")
    return DeviceCode(
        device_code=Secret(str(device)),
        user_code=str(user),
        url=str(url),
        interval=interval_of(answer.get("interval")),
        expires_in=seconds(answer.get("expires_in")),
    )


async def poll(
    endpoint: TokenEndpoint, pending: PendingLogin, http: Http, *, extra: Fields = NONE
) -> dict[str, Any] | PendingLogin:
    """Poll once (section 3.4); return the token answer, or the login that still waits.

    Raises ``LoginDenied``, ``LoginExpired`` and the ``UpstreamError`` of any other refusal.
    """
    asked: Fields = {"grant_type": GRANT, "device_code": pending.device_code, "client_id": pending.client.id, **extra}
    try:
        return await ask(endpoint, asked, http, spends=False)
    except UpstreamError as error:
        return after(pending, error)


def after(pending: PendingLogin, error: UpstreamError) -> PendingLogin:
    """Return the login that waits on (section 3.5). Raises ``LoginDenied``, ``LoginExpired``, or ``error`` itself."""
    match error.upstream_code:
        case "authorization_pending":
            return pending
        case "access_denied" | "authorization_declined":
            raise LoginDenied("The access was not allowed on the provider's page.") from None
        case "expired_token" | "invalid_grant":
            raise LoginExpired("The device code has ended.") from None
    if error.upstream_code == "slow_down" or error.status == 429:
        return waiting(pending, longer=SLOW_DOWN_S, at_least=error.retry_after)
    if isinstance(error, ConnectionFailed | UpstreamTimeout) or (error.status or 0) >= 500:
        # Section 3.5 asks to poll more slowly after a time-out, and suggests to double the interval.
        return waiting(pending, longer=pending.interval, at_least=error.retry_after)
    raise error


def waiting(pending: PendingLogin, *, longer: float = 0.0, at_least: float | None = None) -> PendingLogin:
    """Return the login with an interval that is ``longer`` by so many seconds, and not under a ``Retry-After``."""
    grown = max(pending.interval, min(pending.interval + longer, LONGEST_INTERVAL_S))
    return msgspec.structs.replace(pending, interval=max(grown, min(at_least or 0.0, LONGEST_WAIT_S)))


def interval_of(value: Any) -> float:
    """Return the seconds between two requests, from a number or a text; five where it names none (section 3.2)."""
    found = seconds(value)
    return DEFAULT_INTERVAL_S if not found else min(max(found, 1.0), LONGEST_INTERVAL_S)


def _fit(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()
