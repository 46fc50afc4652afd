"""Signing in to the Gemini API with a Google account and one's own OAuth client, or with a service account.

https://ai.google.dev/gemini-api/docs/oauth and https://developers.google.com/identity/protocols/oauth2/web-server. The
refresh token stays the same; it comes only with ``access_type=offline``, and for certain only with ``prompt=consent``.
"""

import asyncio
import time
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.credentials.google import Authority, authorized_user, service_account
from providers_app.behaviours.credentials.google.authority import advice, checked_project, signed
from providers_app.behaviours.oauth import LoginAnswer, LoginField, LoginStart, OAuth, OAuthFlow, PendingLogin, text_of
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, revoke, tokens_from
from providers_app.behaviours.oauth.grants import Fields, authorization_code, code_page
from providers_app.behaviours.oauth.id_token import unverified_claims, verify
from providers_app.behaviours.oauth.pkce import new_nonce
from providers_app.errors import InvalidRequest, LoginError, MissingScope
from providers_app.providers.gemini import api_key
from providers_app.providers.gemini.config import OAuthConfig
from providers_app.providers.gemini.requests import SLUG, get
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

GOOGLE = "google"
_CLIENT_HINT = (
    "Make an OAuth client in the Google Cloud console (APIs & Services, Credentials): of the type Web application with "
    "our callback address, or Desktop app for an address on your own machine."
)
POSITION_URL = "https://ai.google.dev/gemini-api/docs/oauth"


class GeminiOAuth(OAuth):
    """The flows ``google`` and ``service_account``."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """Both flows, neither of them restricted."""
        own = " Leave it empty to use the one of this installation." if _config().client_id else ""
        return (
            OAuthFlow(
                name=GOOGLE,
                label="Google account",
                methods=("callback", "loopback", "paste_url"),
                rotation="none",
                description=f"With an OAuth client of your own project.{own} {_CLIENT_HINT}",
                position="Google lets applications use the Gemini API with an OAuth client of your own.",
                position_url=POSITION_URL,
                client_fields=True,
                takes_over=True,
                fields=(
                    LoginField(
                        name="project",
                        label="Quota project",
                        help="The id of the Google Cloud project to bill. Enable the Generative Language API in it.",
                    ),
                ),
            ),
            OAuthFlow(
                name=service_account.FLOW,
                label="Service account",
                methods=("direct",),
                rotation="minted",
                description="For servers: no browser, no person, and new tokens whenever they are needed.",
                fields=(service_account.KEY_FILE,),
            ),
        )

    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Begin a sign-in. Raise ``InvalidRequest``, ``InvalidCredential``."""
        if start.flow.name == service_account.FLOW:
            await _account_of(start.given)
            return start.pending()
        client, config = _client(start.client), _config()
        if not client.id:
            raise InvalidRequest(
                "Google signs in with an OAuth client of your own, and none was given.", hint=_CLIENT_HINT
            )
        checked_project(text_of(start.given, "project"), "quota project")
        nonce = new_nonce() if "openid" in config.scopes.split() else Secret("")
        more: Fields = {"nonce": nonce, "access_type": "offline", "prompt": "consent"}
        # Google names its issuer in answers, but does not promise it in its discovery document.
        fixed = {"client": client, "nonce": nonce, "issuer": config.issuer}
        return code_page(start, config.authorize_url, config.scopes, more, **fixed)

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Exchange the answer for tokens. Raise ``LoginError``, ``InvalidCredential``, ``UpstreamError``."""
        if pending.flow == service_account.FLOW:
            account = await _account_of(pending.given)
            return await service_account.mint(account.tokens(), service_accounts(), http)
        config = _config()
        found = await authorization_code(TokenEndpoint(url=config.token_url), pending, answer, http)
        tokens = tokens_from(found, flow=GOOGLE, client=pending.client, issuer=config.issuer, now=time.time())
        # Without a scope in the answer everything that was asked for was granted (RFC 6749 section 5.1).
        return msgspec.structs.replace(tokens, scopes=tokens.scopes or tuple(config.scopes.split()))

    async def identified(self, tokens: Tokens, http: Http, pending: PendingLogin | None = None) -> Tokens:
        """Verify the id token and add the account. Raise ``LoginError``, ``UpstreamError``."""
        if tokens.flow == service_account.FLOW:
            return tokens
        config, claims = _config(), dict[str, Any]()
        if pending is None or pending.nonce:  # the configured scopes ask for an id token
            claims = await verify(
                tokens.id_token,
                # Either form occurs (developers.google.com/identity/openid-connect/openid-connect).
                issuer=(config.issuer, config.issuer.removeprefix("https://")),
                audience=tokens.client.id,
                jwks_url=config.jwks_url,
                http=http,
                nonce=pending.nonce if pending else None,
            )
        if pending is None:
            return tokens
        _check_granted(tokens, config)
        return msgspec.structs.replace(
            tokens,
            account_id=claims.get("sub", ""),
            account_label=str(claims.get("email") or ""),
            facts={"project": checked_project(text_of(pending.given, "project"), "quota project")},
        )

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Refresh with one request. Raise as ``OAuth.refresh``."""
        if tokens.flow == service_account.FLOW:
            return await service_account.mint(tokens, service_accounts(), http)
        tokens = msgspec.structs.replace(tokens, client=_client(tokens.client))
        new = await authorized_user.refresh(tokens, people(), http)
        subject = str(unverified_claims(new.id_token).get("sub") or "")
        return msgspec.structs.replace(new, account_id=subject) if tokens.account_id and subject else new

    async def revoke(self, tokens: Tokens, http: Http) -> bool:
        """Ends every login of this account and OAuth client. Raises ``UpstreamError``."""
        if tokens.flow == service_account.FLOW:
            return False
        return await revoke(TokenEndpoint(url=_config().revoke_url), {"token": tokens.refresh or tokens.access}, http)

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Sign with the access token, and for a person's with the quota project."""
        return signed(credential, request, credential.settings.get("project"))

    async def test(self, credential: Credential, http: Http) -> Account:
        """Ask for one entry of the list of models. Raise ``UpstreamError``."""
        probe = self.authorize(credential, get("/models?pageSize=1", credential))
        return await api_key.BEHAVIOUR.test_signed(probe, http)

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Name the headers that this login adds."""
        what = "The request is signed with an access token (authorization: Bearer) instead of a key."
        return advice(what, credential.settings.get("project"))


def people() -> Authority:
    """Return the endpoint that refreshes the tokens of people."""
    return _authority(_config().scopes)


def service_accounts() -> Authority:
    """Return the endpoint that issues tokens to service accounts."""
    return _authority(_config().service_account_scopes)


def _authority(scopes: str) -> Authority:
    return Authority(token_url=_config().token_url, scopes=scopes, issuer=_config().issuer)


async def _account_of(given: dict[str, Secret]) -> service_account.ServiceAccount:
    # Reading the key takes some 40 ms of arithmetic, which the loop must not wait for.
    key_file = given.get(service_account.FIELD, Secret(""))
    return await asyncio.to_thread(service_account.read, key_file, service_accounts())


def _config() -> OAuthConfig:
    config: OAuthConfig = conf.provider(SLUG).oauth
    return config


def _client(client: OAuthClient) -> OAuthClient:
    """Return the person's own client, else the operator's with the secret that is configured now."""
    config = _config()
    if client.id and client.id != config.client_id:
        return client
    return OAuthClient(id=config.client_id, secret=Secret(config.client_secret.get_secret_value()))


def _check_granted(tokens: Tokens, config: OAuthConfig) -> None:
    """Google's page lets people untick single permissions."""
    wanted = config.chat_scopes.split()
    if wanted and not set(wanted) & set(tokens.scopes):
        raise MissingScope(
            f"The permission to use the Gemini API was not granted ({wanted[0]}).",
            hint="Sign in again and leave every box on Google's page ticked.",
        )
    if not tokens.refresh:
        raise LoginError(
            "Google gave no refresh token, so the login would end within an hour.",
            hint="Remove the application's access at https://myaccount.google.com/connections, then sign in again.",
        )


BEHAVIOUR = GeminiOAuth()
