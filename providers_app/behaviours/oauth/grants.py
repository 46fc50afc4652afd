"""The grants of OAuth as requests to a token endpoint.

authorization code with PKCE (RFC 6749, 7636) · refresh · token exchange (RFC 8693) · client credentials ·
JWT bearer (RFC 7523). All give the decoded answer; ``endpoint.tokens_from`` reads it.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from providers_app.behaviours.oauth import LoginAnswer, LoginStart, PendingLogin, pkce
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, ask, plain
from providers_app.errors import InvalidCredential, InvalidLoginAnswer, TokenRefused
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

Fields = Mapping[str, str | Secret]
NONE: Fields = {}
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_S = 3600
"""Seconds for which an assertion is valid; Google takes an hour at most."""
SMALLEST_RSA = 2048
_KEY_FILE = "Paste the JSON file as it was downloaded; its private_key is a PEM text with line breaks."
code_spent: ContextVar[bool] = ContextVar("code_spent", default=False)
"""True once the code of the sign-in under way was accepted: whatever fails later, it must not be given again."""


def authorization_url(base: str, params: Fields) -> str:
    """Return the sign-in page's address; its own query is kept, empty parameters are left out.

    State and nonce are in it (they are made to travel through the browser), so it is shown but never logged.
    """
    scheme, host, path, query, _ = urlsplit(base)
    given = urlencode(plain(params))
    return urlunsplit((scheme, host, path, "&".join(part for part in (query, given) if part), ""))


def code_page(start: LoginStart, page: str, scope: str, more: Fields = NONE, **fields: Any) -> PendingLogin:
    """Return a sign-in with a new state and verifier, whose page gives a code (RFC 6749 4.1.1, RFC 7636 4.3).

    ``more`` are the parameters of the page that only this provider takes, ``fields`` those of the sign-in.
    """
    pending = start.pending(state=pkce.new_state(), verifier=pkce.new_verifier(), **fields)
    params: dict[str, str | Secret] = {
        **more,
        "client_id": pending.client.id,
        "response_type": "code",
        "redirect_uri": pending.redirect_uri,
        "scope": scope,
        "state": pending.state,
        "code_challenge": pkce.challenge_of(pending.verifier),
        "code_challenge_method": pkce.METHOD,
    }
    return msgspec.structs.replace(pending, url=authorization_url(page, params))


async def authorization_code(
    endpoint: TokenEndpoint, pending: PendingLogin, answer: LoginAnswer, http: Http, *, extra: Fields = NONE
) -> dict[str, Any]:
    """Exchange a code for tokens. Raises ``InvalidLoginAnswer`` for a code that is refused, and ``UpstreamError``."""
    fields: dict[str, str | Secret] = {
        "grant_type": "authorization_code",
        "code": answer.code,
        "redirect_uri": pending.redirect_uri,
        **_client(pending.client),
        "code_verifier": pending.verifier,
    }
    try:
        found = await ask(endpoint, {**fields, **extra}, http, spends=False)
    except TokenRefused as error:
        raise InvalidLoginAnswer(
            f"The provider does not take the code: the code was used already or is too old ({error.upstream_code}).",
            hint="Begin the sign-in again; each code works once, for a few minutes.",
        ) from None
    code_spent.set(True)
    return found


async def refresh_token(
    endpoint: TokenEndpoint, tokens: Tokens, http: Http, *, extra: Fields = NONE, spends: bool = True
) -> dict[str, Any]:
    """Refresh tokens; ``spends`` says that the refresh token is accepted once. Raises as ``ask``."""
    fields = {"grant_type": "refresh_token", "refresh_token": tokens.refresh, **_client(tokens.client)}
    return await ask(endpoint, {**fields, **extra}, http, spends=spends)


async def token_exchange(endpoint: TokenEndpoint, *, fields: Fields, http: Http) -> dict[str, Any]:
    """Exchange a token (RFC 8693); ``fields`` lack only the grant type. Raises ``UpstreamError``."""
    return await ask(endpoint, {"grant_type": TOKEN_EXCHANGE, **fields}, http, spends=False)


async def client_credentials(
    endpoint: TokenEndpoint, client: OAuthClient, http: Http, *, extra: Fields = NONE
) -> dict[str, Any]:
    """Request a token for the client itself (RFC 6749 section 4.4). Raises ``UpstreamError``."""
    return await ask(endpoint, {"grant_type": "client_credentials", **_client(client), **extra}, http, spends=False)


async def jwt_bearer(endpoint: TokenEndpoint, assertion: Secret, http: Http, *, extra: Fields = NONE) -> dict[str, Any]:
    """Request a token for an assertion (RFC 7523 section 2.1). Raises ``UpstreamError``."""
    return await ask(endpoint, {"grant_type": JWT_BEARER, "assertion": assertion, **extra}, http, spends=False)


def service_account_assertion(
    *, email: str, key_pem: Secret, key_id: str, audience: str, scope: str, now: float
) -> Secret:
    """Return a service account's signed assertion (RFC 7523, RS256); ``now`` is seconds since the epoch.

    Raises ``InvalidCredential`` for a key that cannot sign; nothing of it is quoted.
    """
    from joserfc import jwt  # here, since most processes never sign and would load it all the same
    from joserfc.jwk import RSAKey

    claims = {"iss": email, "aud": audience, "scope": scope, "iat": int(now), "exp": int(now) + ASSERTION_S}
    header = {"alg": "RS256", "typ": "JWT", **({"kid": key_id} if key_id else {})}
    key = rsa_key(key_pem, hint=_KEY_FILE)
    return Secret(jwt.encode(header, claims, RSAKey(key, key), algorithms=["RS256"]))


def rsa_key(pem: Secret, *, hint: str) -> RSAPrivateKey:
    """Return a key that can sign. Raises ``InvalidCredential`` with ``hint``; nothing of it is quoted."""
    try:
        key = load_pem_private_key(pem.reveal().strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: the parser's message may quote the key.
        raise InvalidCredential("The private key cannot be read (PEM, without a password).", hint=hint) from None
    if not isinstance(key, RSAPrivateKey):
        raise InvalidCredential("The private key is not an RSA key.", hint=hint)
    if key.key_size < SMALLEST_RSA:
        raise InvalidCredential(
            f"The private key has {key.key_size} bits; less than {SMALLEST_RSA} are not accepted.", hint=hint
        )
    return key


def _client(client: OAuthClient) -> dict[str, str | Secret]:
    return {"client_id": client.id, "client_secret": client.secret}
