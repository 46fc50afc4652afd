"""From an answer to tokens: code exchange, id token, mode, the key where the account's mode asks for one, refresh.

code ─▶ token endpoint ─▶ id token verified ─┬─ chatgpt flow: the plan must be permitted
                                             └─ codex, device: by its mode ─▶ api_key: exchange for a key (RFC 8693)
"""

import time

import msgspec

from providers_app import errors
from providers_app.behaviours.oauth import LoginAnswer, PendingLogin, grants, id_token, refusals, text_of
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, tokens_from
from providers_app.behaviours.oauth.token_answer import A_DURATION, seconds, token_in
from providers_app.providers.openai import account, flows
from providers_app.providers.openai.config import SiwcConfig
from providers_app.providers.openai.flows import Endpoints, config_of, endpoints
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

CODEX_TTL_S = 8 * 86400.0
"""The lifetime of an access token that names no end, as OpenAI's own program assumes it."""
SIWC_TTL_S = 3600.0
SIWC_WINDOW_S = 300.0
"""The last seconds in which a login of Sign in with ChatGPT is refreshed where the server names no time: earlier is
refused, and ends the login."""
KEY_FIELDS = {"requested_token": "openai-api-key", "subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}


def client_of(pending: PendingLogin, answer: LoginAnswer) -> OAuthClient:
    """Return the code's client, which the callback names where the account had none. Raise ``InvalidLoginAnswer``."""
    named = answer.params.get("client_id", "").strip()
    if pending.client.id == flows.DYNAMIC_CLIENT:
        if not named or named == flows.DYNAMIC_CLIENT or not named.isprintable() or len(named) > 200:
            raise errors.InvalidLoginAnswer(
                "The answer does not name the client that OpenAI made for this account.",
                hint="Paste the whole address that you landed on, with everything behind the question mark.",
            )
        return OAuthClient(id=named)
    if named not in ("", pending.client.id):
        raise errors.InvalidLoginAnswer(
            "The answer is for another client than this session has.",
            hint="Sign in with the account and workspace of the session, or connect a new session.",
        )
    return pending.client


async def exchanged(pending: PendingLogin, answer: LoginAnswer, at: Endpoints, http: Http) -> Tokens:
    """Return the tokens for the code, whose account ``identified`` adds. Raise ``LoginError``, ``UpstreamError``."""
    config, extra = config_of(pending.flow), {}
    if isinstance(config, SiwcConfig):
        pending = msgspec.structs.replace(pending, client=client_of(pending, answer))
        extra = {"resource": config.resource}
    try:
        found = await grants.authorization_code(TokenEndpoint(url=at.token), pending, answer, http, extra=extra)
    except (errors.AuthenticationFailed, errors.PermissionDenied) as error:
        if pending.client_of and error.upstream_code in refusals.ISSUED_CLIENT:
            raise refusals.of_another(pending.client_of, error.upstream_code) from None
        raise
    return tokens_of(found, flow=pending.flow, client=pending.client, issuer=at.issuer)


async def identified(tokens: Tokens, at: Endpoints, http: Http, pending: PendingLogin | None) -> Tokens:
    """Return the tokens with the account that their verified id token names. Raise ``LoginError``, ``UpstreamError``.

    After a refresh (no ``pending``) only the plan is taken, which is shown: the mode and what it needs stay as they
    were at the sign-in.
    """
    nonce = pending.nonce or None if pending else None
    claims = await id_token.verify(
        tokens.id_token, issuer=at.issuer, audience=tokens.client.id, jwks_url=at.jwks, http=http, nonce=nonce
    )
    who, config = account.read(claims), config_of(tokens.flow)
    if pending is None:
        return msgspec.structs.replace(tokens, facts={**tokens.facts, "plan": who.plan}) if who.plan else tokens
    if isinstance(config, SiwcConfig):
        detected = account.Detected(mode="plan", source="flow")
        if flows.PLAN_SCOPE not in tokens.scopes:
            raise errors.MissingScope(
                "You are signed in, but the permission to use your ChatGPT plan was not given.",
                hint="Sign in again and allow the use of your plan. Plus and Pro accounts have it; in a workspace its "
                "administrator may have turned it off.",
            )
    else:
        detected = account.detect(who, text_of(pending.given, "mode") or config.mode)
        if detected.mode == "chatgpt" and not who.account_id:
            raise errors.LoginError(
                "The sign-in names no ChatGPT account, so ChatGPT mode cannot be used.",
                hint="Sign in again with the mode api_key, or connect a session with a key of the API platform.",
            )
    return msgspec.structs.replace(
        tokens,
        account_id=who.identity,
        account_label=who.email or who.account_id or who.subject,
        facts=account.facts(who, detected, tokens.flow),
    )


def tokens_of(
    found: dict[str, object], *, flow: str, client: OAuthClient, issuer: str, before: Tokens | None = None
) -> Tokens:
    """Read the tokens in an answer; without an expiry in it, take the access token's own."""
    now = time.time()
    tokens = tokens_from(found, flow=flow, client=client, issuer=issuer, now=now, before=before)
    ends = tokens.expires_at
    if ends is None:
        ends = expiry_of(tokens.access) or now + (SIWC_TTL_S if flow == flows.CHATGPT else CODEX_TTL_S)
    earliest = tokens.earliest_refresh_at
    if flow == flows.CHATGPT:
        made = _time_of(token_in(found, "id_token"), "iat")
        given = seconds(found.get("earliest_refresh_at"))
        ahead = now - made if made is not None else None
        if given is not None and given < A_DURATION:
            ahead = 0.0  # counted from the answer on: no clock has a say
        earliest = _on_our_clock(earliest, ahead, ends)
    return msgspec.structs.replace(tokens, expires_at=ends, earliest_refresh_at=earliest)


def _on_our_clock(earliest: float | None, ahead: float | None, ends: float) -> float:
    """Convert the server's time of the first refresh to this machine's clock, which is ``ahead`` by that many seconds.

    Refreshing too early ends the login: where the difference is unknown, the last minutes before the end are taken.
    """
    if earliest is None:
        return ends - SIWC_WINDOW_S
    if ahead is not None:
        return earliest + ahead
    return min(max(earliest, ends - SIWC_WINDOW_S), ends)


def expiry_of(access: Secret) -> float | None:
    """When an access token that is a JWT ends; read without proof, as it came over TLS and its server judges it."""
    return _time_of(access, "exp")


def _time_of(token: Secret, name: str) -> float | None:
    value = id_token.unverified_claims(token).get(name)
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11
    return float(value) if fits and isinstance(value, int | float) else None


async def with_key(tokens: Tokens, at: Endpoints, http: Http) -> Tokens:
    """Obtain a key of the API platform. Raise ``LoginError`` where the account can have none, ``UpstreamError``."""
    way_on = (
        "Finish the set-up at https://platform.openai.com and sign in again, sign in with the mode chatgpt, or connect "
        "with an API key."
    )
    if not (tokens.facts.get("organization") and tokens.facts.get("project")):
        lacking = " and ".join(name for name in ("organization", "project") if not tokens.facts.get(name))
        raise errors.LoginError(
            f"OpenAI gives this account no API key: the sign-in names no {lacking} at the API platform.", hint=way_on
        )
    fields: dict[str, str | Secret] = {**KEY_FIELDS, "client_id": tokens.client.id, "subject_token": tokens.id_token}
    try:
        found = await grants.token_exchange(TokenEndpoint(url=at.token), fields=fields, http=http)
    except (errors.AuthenticationFailed, errors.PermissionDenied, errors.BadRequest) as error:
        raise errors.LoginError(
            f"OpenAI refused to give this account an API key. {error.message}", hint=way_on
        ) from None
    key = token_in(found, "access_token")
    if not key:
        raise errors.BadAnswer("The token endpoint answered without a key.")
    return msgspec.structs.replace(tokens, api_key=key)


TERMINAL = frozenset(
    {
        "invalid_grant",
        "invalid_refresh_token",
        "token_expired",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_reused",
    }
)


async def refreshed(tokens: Tokens, http: Http) -> Tokens:
    """Refresh with one request. Raise ``TokenRefused``, ``TokenOutcomeUnknown``, others where nothing was spent.

    No keys are fetched for the new id token, since that could lose the pair: ``identified`` verifies it once the pair
    is stored. Until then the account's facts stay, and only a token that claims another account is told apart.
    """
    config = config_of(tokens.flow)
    at = await endpoints(config, http, "token")
    if isinstance(config, SiwcConfig):
        token_endpoint = TokenEndpoint(url=at.token, terminal=TERMINAL)
        answer = await grants.refresh_token(token_endpoint, tokens, http, extra={"resource": config.resource})
    else:
        token_endpoint = TokenEndpoint(
            url=at.token, encoding="json", terminal=TERMINAL, terminal_statuses=frozenset({401})
        )
        answer = await grants.refresh_token(token_endpoint, tokens, http)
        answer = completed(answer, tokens)
    new = tokens_of(answer, flow=tokens.flow, client=tokens.client, issuer=tokens.issuer, before=tokens)
    return claimed(new, tokens)


def completed(answer: dict[str, object], before: Tokens) -> dict[str, object]:
    """Complete an answer with the old access token: a refresh of this client returns only what has changed."""
    changed = [name for name in ("access_token", "refresh_token", "id_token") if answer.get(name)]
    if not changed:
        raise errors.TokenOutcomeUnknown("The token endpoint answered the refresh without any token.")
    if "access_token" in changed:
        return answer
    left = before.expires_at
    kept: dict[str, object] = {"access_token": before.access.reveal()}
    return {**answer, **kept} if left is None else {**answer, **kept, "expires_at": left}


def claimed(new: Tokens, before: Tokens) -> Tokens:
    """``new``, with another account's id where its id token, not verified yet, is not of the account ``before``."""
    who = account.read(id_token.unverified_claims(new.id_token))
    return new if who.is_still(before.account_id) else msgspec.structs.replace(new, account_id=who.identity)
