"""The device code of ``auth.openai.com``: its own endpoints, with a PKCE verifier that the server makes.

Not RFC 8628: 403 and 404 mean that the code was not typed yet, and what comes in the end is an authorization code
(codex-rs ``login/src/device_code_auth.rs``).
"""

from collections.abc import Mapping

from providers_app.behaviours.oauth import PendingLogin, device
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, ask
from providers_app.errors import BadAnswer, LoginError, NotFound, UpstreamError
from providers_app.providers.openai import account
from providers_app.providers.openai.config import OAuthConfig
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient
from providers_app.wire.client import Http

MAX_CODE = 100
PENDING = (403, 404)


async def begin(given: dict[str, Secret], config: OAuthConfig, http: Http) -> PendingLogin:
    """Ask for a code to type. Raises ``InvalidRequest``, ``LoginError`` where it is turned off, ``UpstreamError``."""
    account.checked_mode(given.get("mode", Secret("")).reveal())
    where = TokenEndpoint(url=config.device_code_url, encoding="json", terminal=frozenset())
    try:
        answer = await ask(where, {"client_id": config.client_id}, http, spends=False)
    except NotFound:
        raise LoginError(
            "OpenAI gives no device code for this client.",
            hint="Turn device codes on in the security settings of ChatGPT (a workspace's administrator may have to), "
            "or sign in with the browser.",
        ) from None
    device_id = _text(answer, "device_auth_id")
    user_code = _text(answer, "user_code") or _text(answer, "usercode")
    if not device_id or not user_code or len(user_code) > MAX_CODE:
        raise BadAnswer("The answer has no device code that can be used.")
    return PendingLogin(
        flow="device",
        method="device",
        url=config.device_page_url,
        client=OAuthClient(id=config.client_id),
        redirect_uri=config.device_redirect_uri,
        user_code=user_code,
        device_code=Secret(device_id),
        interval=device.interval_of(answer.get("interval")),
        given=given,
    )


async def poll(pending: PendingLogin, config: OAuthConfig, http: Http) -> tuple[Secret, Secret] | PendingLogin:
    """One question: the authorization code and its verifier, or the login as it waits on.

    Raises ``LoginDenied``, ``LoginExpired``, ``UpstreamError``.
    """
    where = TokenEndpoint(url=config.device_token_url, encoding="json", terminal=frozenset())
    fields: dict[str, str | Secret] = {"device_auth_id": pending.device_code, "user_code": pending.user_code}
    try:
        answer = await ask(where, fields, http, spends=False)
    except UpstreamError as error:
        return pending if error.status in PENDING else device.after(pending, error)
    code, verifier = _text(answer, "authorization_code"), _text(answer, "code_verifier")
    if not code or not verifier:
        raise BadAnswer("The answer to the device code has no authorization code.")
    return Secret(code), Secret(verifier)


def _text(answer: Mapping[str, object], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) and value.isprintable() else ""
