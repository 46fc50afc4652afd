"""Signing in to Anthropic: code paste with JSON token requests, federation, and what an imported profile needs.

The wire: ``state`` also goes into the body of the exchange, refresh tokens rotate, and the API takes an access token
only beside a beta name.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.credentials import credential_of
from providers_app.behaviours.keys import bearer
from providers_app.behaviours.lookups import JSON_HEADERS, ask, json_of
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, OAuth, OAuthFlow, PendingLogin, grants
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, origin_of, tokens_from
from providers_app.behaviours.oauth.token_answer import token_in
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.errors import (
    BadAnswer,
    InvalidRequest,
    MissingScope,
    NotRefreshable,
    PermissionDenied,
    ProviderError,
)
from providers_app.providers.anthropic import federation
from providers_app.providers.anthropic.config import Config
from providers_app.providers.anthropic.federation import FEDERATION
from providers_app.providers.anthropic.requests import BETA, SIGNS_WITH, SLUG, get, signed_by_login
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire import payload
from providers_app.wire.client import Http

CLAUDE, CONSOLE_KEY, PROFILE = "claude", "console_key", "profile"
INFERENCE, CREATE_KEY, SEE_PROFILE = "user:inference", "org:create_api_key", "user:profile"

_POSITION = (
    "Anthropic allows this sign-in for ordinary use of Claude Code and its other own applications. Other products may "
    "not offer it, collect or keep its tokens, or send requests through the plans of their users (Free, Pro, Max); "
    "they are asked to use an API key of the console. Anthropic enforces this without notice."
)

MAX_FACT = 200
PROFILE_TTL_S = 3600.0
"""Seconds that an access token of a profile lasts where the answer does not say it (as in the vendor's SDK)."""
_KEY_PAGE = "Use a key from https://console.anthropic.com/settings/keys instead."


class AnthropicOAuth(OAuth):
    """The ``oauth`` behaviour. A person ends logins and keys on the account's pages: there is no endpoint for it."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """As configured, in the order in which they are offered."""
        config: Config = conf.provider("anthropic")
        restricted = partial(
            OAuthFlow,
            methods=("paste_code",),
            position=_POSITION,
            position_url="https://code.claude.com/docs/en/legal-and-compliance",
            restricted=True,
            consent="I know that Anthropic does not allow this sign-in to other applications, and that it may refuse "
            "its requests or act on my account.",
            paste_redirect=config.oauth.redirect_uri,
        )
        return (
            restricted(
                name=CLAUDE,
                label="Claude account",
                rotation="single_use",
                description="Sign in with a Claude plan. The page shows a code, which you paste here.",
                one_person=True,
                takes_over=True,
            ),
            restricted(
                name=CONSOLE_KEY,
                label="API key through the console's sign-in",
                rotation="none",
                description="Creates an API key in the console; Maestro keeps only the key. Pasting a key has the same "
                "result and is allowed.",
            ),
            OAuthFlow(
                name=FEDERATION,
                label="Workload identity federation",
                methods=() if config.federation.missing else ("direct",),
                rotation="minted",
                description=federation.unconfigured(config.federation)
                or "Sign in as the workload that Maestro runs as. Nothing is typed, and no key is stored.",
                position="Anthropic documents it for workloads that have an identity token of their own.",
                position_url="https://platform.claude.com/docs/en/manage-claude/workload-identity-federation",
            ),
            OAuthFlow(
                name=PROFILE,
                label="Profile of the Anthropic CLI",
                methods=(),
                rotation="single_use",
                description="Import the files of a profile that the program's login made. It cannot be begun here.",
                position="Anthropic documents it for scripts and development on your own machine, billed as API usage.",
                position_url="https://platform.claude.com/docs/en/cli-sdks-libraries/cli/authentication",
                one_person=True,
            ),
        )

    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Return the address of the page that shows the code; for ``federation`` check only that it is set up."""
        config: Config = conf.provider(SLUG)
        flow, oauth = start.flow, config.oauth
        if flow.name == FEDERATION:
            federation.require_configured(config.federation)
            return start.pending()
        if flow.name not in (CLAUDE, CONSOLE_KEY) or start.method != "paste_code":
            raise InvalidRequest(f"'{flow.label}' cannot be begun this way.", hint=flow.description)
        return grants.code_page(
            start,
            oauth.authorize_url if flow.name == CLAUDE else oauth.console_authorize_url,
            oauth.scopes,
            {"code": "true"},  # asks the page to show the code
            client=OAuthClient(id=start.client.id or oauth.client_id),
            redirect_uri=start.redirect_uri or oauth.redirect_uri,
        )

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Exchange the answer. Raise ``MissingScope`` where the account or its organization withheld the permission."""
        if pending.flow == FEDERATION:
            return await federation.mint(http)
        if pending.flow not in (CLAUDE, CONSOLE_KEY):
            raise InvalidRequest("This sign-in takes no code.")
        endpoint = TokenEndpoint(url=conf.provider(SLUG).oauth.token_url, encoding="json")
        found = await grants.authorization_code(endpoint, pending, answer, http, extra={"state": pending.state})
        issuer = origin_of(endpoint.url)
        tokens = tokens_from(found, flow=pending.flow, client=pending.client, issuer=issuer, now=time.time())
        tokens = named(tokens, found)
        _require(tokens, INFERENCE if pending.flow == CLAUDE else CREATE_KEY)
        if not tokens.account_id and (not tokens.scopes or SEE_PROFILE in tokens.scopes):
            tokens = await with_profile(tokens, http)
        return tokens

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Refresh with one request: a profile where it was made, a Claude login at the configured endpoint."""
        config: Config = conf.provider(SLUG)
        match tokens.flow:
            case "federation":
                return await federation.mint(http, tokens)
            case "claude":
                url, headers, default_ttl = config.oauth.token_url, {}, None
            case "profile":
                base = tokens.facts.get("base_url") or config.base_url
                url, headers = f"{base.rstrip('/')}/v1/oauth/token", {BETA: config.oauth.beta}
                default_ttl = PROFILE_TTL_S
            case _:
                raise NotRefreshable("This login keeps an API key only, which does not end.")
        endpoint = TokenEndpoint(url=url, encoding="json", headers=headers)
        found = await grants.refresh_token(endpoint, tokens, http)
        return named(tokens_from(found, now=time.time(), before=tokens, default_ttl=default_ttl), found)

    async def api_credentials(self, tokens: Tokens, http: Http) -> Credential:
        """Return the access token, or the key."""
        if tokens.flow == CONSOLE_KEY and not tokens.api_key:
            tokens = await _with_key(tokens, http)
        return await super().api_credentials(tokens, http)

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Sign with the access token and its beta name, or with the key."""
        return signed_by_login(credential, request)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Ask for one entry of the list of models, the cheapest request that needs a login."""
        answer = await ask(self.authorize(credential, get("/v1/models?limit=1", credential)), http, DIALECT)
        json_of(answer)
        # Without a label: the account's name is known from the sign-in, and the answer has only an id.
        return Account(request_id=answer.headers.get("request-id"))

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Tell what is added beside the credential."""
        found = []
        if credential.settings.get(SIGNS_WITH) != "api_key":
            beta = conf.provider(SLUG).oauth.beta
            message = f"The login adds {beta!r} to the {BETA} header: the API takes no access token without it."
            found.append(Advice(level="hint", field=BETA, what=message))
        if workspace := credential.settings.get("workspace_id"):
            message = f"The profile adds its workspace {workspace!r} in the anthropic-workspace-id header."
            found.append(Advice(level="hint", field="anthropic-workspace-id", what=message))
        return found


def _require(tokens: Tokens, scope: str) -> None:
    """Raise ``MissingScope``. Without scopes in the answer all were granted (RFC 6749 section 5.1)."""
    if tokens.scopes and scope not in tokens.scopes:
        raise MissingScope(
            f"Anthropic signed in without the permission {scope}: the account or its organization does not give it.",
            hint=f"Ask an administrator of the organization, or sign in with another account. {_KEY_PAGE}",
        )


async def _with_key(tokens: Tokens, http: Http) -> Tokens:
    """Obtain a key and keep nothing else: it does not expire, and unneeded tokens are better not stored."""
    url = conf.provider(SLUG).oauth.create_key_url
    signed = bearer(credential_of(tokens), HttpRequest(method="POST", url=url, headers=JSON_HEADERS))
    try:
        found = json_of(await ask(signed, http, DIALECT))
    except PermissionDenied as error:
        message = f"Anthropic does not let this login make an API key: {error.message}"
        raise MissingScope(message, hint=f"Ask an administrator of the organization. {_KEY_PAGE}") from None
    key = token_in(payload.mapping(found), "raw_key")
    if not key:
        raise BadAnswer("Anthropic answered without the API key that was asked for.", hint=_KEY_PAGE)
    return msgspec.structs.replace(
        tokens,
        access=Secret(""),
        refresh=Secret(""),
        id_token=Secret(""),
        api_key=key,
        expires_at=None,
        earliest_refresh_at=None,
        refresh_until=None,
        facts={**tokens.facts, SIGNS_WITH: "api_key"},
    )


def named(tokens: Tokens, answer: Mapping[str, Any]) -> Tokens:
    """``tokens`` with the account and the organization of an answer; a known account stays as it is."""
    account, organization = payload.mapping(answer.get("account")), payload.mapping(answer.get("organization"))
    if tokens.account_id or not word(account.get("uuid")):
        return tokens
    email, company = word(account.get("email_address")) or word(account.get("email")), word(organization.get("name"))
    facts = {"organization_id": word(organization.get("uuid")), "organization": company}
    return msgspec.structs.replace(
        tokens,
        account_id=word(account.get("uuid")),
        account_label=f"{email} ({company})" if email and company else email or company,
        facts={**tokens.facts, **{name: value for name, value in facts.items() if value}},
    )


async def with_profile(tokens: Tokens, http: Http) -> Tokens:
    """Add the account by the profile endpoint. A name is not worth a login: if that fails, the tokens stay."""
    url = conf.provider(SLUG).oauth.profile_url
    if not url:
        return tokens
    request = HttpRequest(method="GET", url=url, headers={"accept": "application/json"})
    try:
        found = json_of(await ask(bearer(credential_of(tokens), request), http, DIALECT))
    except ProviderError:
        return tokens
    return named(tokens, payload.mapping(found))


def word(value: Any) -> str:
    """Return a short printable text; an empty one for anything else."""
    text = payload.text(value)
    return text.strip() if len(text) <= MAX_FACT and text.isprintable() else ""


BEHAVIOUR = AnthropicOAuth()
