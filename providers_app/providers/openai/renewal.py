"""New tokens for old ones: one request, and nothing asked of the network between its answer and the store.

The new id token comes from the token endpoint itself over TLS, which OpenID Connect Core 3.1.3.7 takes in place of its
signature. Fetching keys to prove it could lose the pair that was just given; only whose it is counts here.
"""

import msgspec

from providers_app.behaviours.oauth import endpoint, grants, id_token
from providers_app.errors import TokenOutcomeUnknown, TokenRefused
from providers_app.providers.openai import account, sign_in
from providers_app.providers.openai.config import SiwcConfig
from providers_app.providers.openai.endpoints import config_of, endpoints
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http

SIWC_TERMINAL = frozenset(
    {
        "invalid_grant",
        "invalid_refresh_token",
        "invalid_client",
        "token_expired",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_reused",
    }
)
CODEX_TERMINAL = SIWC_TERMINAL - {"invalid_client"}
"""``invalid_client`` there is the operator's configuration; it comes with a 401, which ends the login by itself."""


async def refresh(tokens: Tokens, http: Http) -> Tokens:
    """Raises ``TokenRefused``, ``TokenOutcomeUnknown``, and other errors where nothing was spent."""
    config = config_of(tokens.flow)
    at = await endpoints(config, http, "token")
    if isinstance(config, SiwcConfig):
        where = endpoint.TokenEndpoint(url=at.token, terminal=SIWC_TERMINAL)
        answer = await grants.refresh_token(where, tokens, http, extra={"resource": config.resource})
    else:
        where = endpoint.TokenEndpoint(
            url=at.token, encoding="json", terminal=CODEX_TERMINAL, terminal_statuses=frozenset({401})
        )
        answer = await grants.refresh_token(where, tokens, http)
        answer = completed(answer, tokens)
    new = sign_in.tokens_of(answer, flow=tokens.flow, client=tokens.client, issuer=tokens.issuer, before=tokens)
    return of_the_same_account(new, tokens)


def completed(answer: dict[str, object], before: Tokens) -> dict[str, object]:
    """A refresh of this client answers with what has changed, whatever that is; the access token may not be in it."""
    changed = [name for name in ("access_token", "refresh_token", "id_token") if answer.get(name)]
    if not changed:
        raise TokenOutcomeUnknown("The token endpoint answered the refresh without any token.")
    if "access_token" in changed:
        return answer
    left = before.expires_at
    kept: dict[str, object] = {"access_token": before.access.reveal()}
    return {**answer, **kept} if left is None else {**answer, **kept, "expires_at": left}


def of_the_same_account(new: Tokens, before: Tokens) -> Tokens:
    """``new``, with the plan that its id token names. Raises ``TokenRefused`` when it is another account's."""
    if new.id_token == before.id_token:
        return new
    who = account.read(id_token.unverified_claims(new.id_token))
    if before.account_id and not who.is_still(before.account_id):
        raise TokenRefused(
            "The refresh was answered with tokens of another account, which were not taken.",
            upstream_code="account_changed",
            hint="Sign in again with the account that the session had.",
        )
    # The mode and what it needs stay as they were verified at the sign-in; the plan is only shown.
    facts = {**before.facts, "plan": who.plan} if who.plan else before.facts
    return msgspec.structs.replace(new, facts=facts)
