"""Signing in to OpenAI: three flows, one behaviour, and the device code of ``auth.openai.com``."""

from collections.abc import Mapping

import msgspec

from providers_app.behaviours.oauth import LoginAnswer, LoginStart, OAuth, OAuthFlow, PendingLogin, device, text_of
from providers_app.behaviours.oauth.enabled import require_enabled
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, ask, revoke
from providers_app.errors import BadAnswer, InvalidLoginAnswer, LoginError, NotFound, UpstreamError
from providers_app.providers.openai import account, api_key, flows, models, requests, sign_in
from providers_app.providers.openai.config import OAuthConfig
from providers_app.providers.openai.flows import config_of, endpoints
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http


class OpenAIOAuth(OAuth):
    """The ``oauth`` behaviour of OpenAI."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        return flows.flows()

    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Begin a sign-in. Raise ``FlowDisabled``, ``InvalidRequest``, ``LoginError``, ``UpstreamError``."""
        require_enabled("openai", (start.flow,), start.flow.name)
        config = config_of(start.flow.name)
        if isinstance(config, OAuthConfig) and start.flow.name == flows.DEVICE:
            return await begin_device(start, config, http)
        # The exchange needs the keys: look them up before a person signs in at a page whose answer would be refused.
        at = await endpoints(config, http, "authorize", "jwks")
        if isinstance(config, OAuthConfig):
            pending = flows.codex_page(start, config, at.authorize)
        else:
            pending = flows.chatgpt_page(start, config, at.authorize)
        return msgspec.structs.replace(pending, issuer=at.issuer, names_issuer=at.names_issuer)

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Exchange the answer for tokens. Raise ``LoginError``, ``UpstreamError``."""
        if not answer.code:
            raise InvalidLoginAnswer("The answer has no code in it.")
        # Discovered before the code is spent, so that a server that cannot be asked costs no code.
        return await sign_in.exchanged(pending, answer, await _endpoints(pending.flow, http, "token", "jwks"), http)

    async def identified(self, tokens: Tokens, http: Http, pending: PendingLogin | None = None) -> Tokens:
        """Verify the id token and add the account. Raise ``LoginError``, ``UpstreamError``."""
        return await sign_in.identified(tokens, await _endpoints(tokens.flow, http, "jwks"), http, pending)

    async def poll(self, pending: PendingLogin, http: Http) -> Tokens | PendingLogin:
        """Poll once. Raise ``LoginDenied``, ``LoginExpired``, ``LoginError``, ``UpstreamError``."""
        config = config_of(pending.flow)
        assert isinstance(config, OAuthConfig)
        found = await poll_device(pending, config, http)
        if isinstance(found, PendingLogin):
            return found
        code, verifier = found
        pending = msgspec.structs.replace(pending, verifier=verifier, redirect_uri=config.device_redirect_uri)
        try:
            return await self.exchange(pending, LoginAnswer(code=code), http)
        except UpstreamError as error:
            # The code was handed out once: asking again would only wait for nothing.
            raise LoginError(
                f"The device code was accepted, but the sign-in could not be finished: {error.message}",
                hint="Begin the sign-in again.",
            ) from None

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Send one refresh, without a retry. Raise ``TokenRefused``, ``TokenOutcomeUnknown``, ``UpstreamError``."""
        return await sign_in.refreshed(tokens, http)

    async def api_credentials(self, tokens: Tokens, http: Http) -> Credential:
        """Return the token or key that signs. Raise ``LoginError`` where there can be no key, ``UpstreamError``."""
        if tokens.facts.get("mode") == "api_key" and not tokens.api_key:
            tokens = await sign_in.with_key(tokens, await _endpoints(tokens.flow, http, "token"), http)
        return await super().api_credentials(tokens, http)

    async def revoke(self, tokens: Tokens, http: Http) -> bool:
        """Ends the refresh token, and with it the login (RFC 7009). Raises ``UpstreamError``."""
        at = await _endpoints(tokens.flow, http, "revoke")
        token, kind = (tokens.refresh, "refresh_token") if tokens.refresh else (tokens.access, "access_token")
        if not at.revoke or not token:
            return False
        fields: dict[str, str | Secret] = {"token": token, "token_type_hint": kind, "client_id": tokens.client.id}
        return await revoke(TokenEndpoint(url=at.revoke), fields, http)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Ask for the list of models. Raise ``UpstreamError``."""
        probe = self.authorize(credential, models.listing(credential))
        return await api_key.BEHAVIOUR.test_signed(probe, http)

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Tell what the login takes out of the request and adds to it, and a mode that was only assumed."""
        return requests.advice(chat, credential)


async def _endpoints(flow: str, http: Http, *needed: str) -> flows.Endpoints:
    return await endpoints(config_of(flow), http, *needed)


MAX_CODE = 100
PENDING = (403, 404)


async def begin_device(start: LoginStart, config: OAuthConfig, http: Http) -> PendingLogin:
    """Ask for a code to type. Raise ``InvalidRequest``, ``LoginError`` where it is turned off, ``UpstreamError``.

    It is not RFC 8628: 403 and 404 mean that the code was not typed yet, and the result is an authorization code with a
    PKCE verifier that the server made (codex-rs ``login/src/device_code_auth.rs``).
    """
    account.checked_mode(text_of(start.given, "mode"))
    token_endpoint = TokenEndpoint(url=config.device_code_url, encoding="json", terminal=frozenset())
    try:
        answer = await ask(token_endpoint, {"client_id": config.client_id}, http, spends=False)
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
    return start.pending(
        url=config.device_page_url,
        client=OAuthClient(id=config.client_id),
        redirect_uri=config.device_redirect_uri,
        user_code=user_code,
        device_code=Secret(device_id),
        interval=device.interval_of(answer.get("interval")),
    )


async def poll_device(pending: PendingLogin, config: OAuthConfig, http: Http) -> tuple[Secret, Secret] | PendingLogin:
    """Ask once for the code and its verifier; else return ``pending``, or raise as ``device.after``."""
    token_endpoint = TokenEndpoint(url=config.device_token_url, encoding="json", terminal=frozenset())
    fields: dict[str, str | Secret] = {"device_auth_id": pending.device_code, "user_code": pending.user_code}
    try:
        answer = await ask(token_endpoint, fields, http, spends=False)
    except UpstreamError as error:
        return pending if error.status in PENDING else device.after(pending, error)
    code, verifier = _text(answer, "authorization_code"), _text(answer, "code_verifier")
    if not code or not verifier:
        raise BadAnswer("The answer to the device code has no authorization code.")
    return Secret(code), Secret(verifier)


def _text(answer: Mapping[str, object], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) and value.isprintable() else ""


BEHAVIOUR = OpenAIOAuth()
