"""A person's lasting credentials: a refresh token with the OAuth client that it was issued to.

``gcloud auth application-default login`` writes them to ``application_default_credentials.json`` (format as
google-auth-library-python reads it, ``google/oauth2/credentials.py``). A Google refresh token stays valid however many
programs use it.
"""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.behaviours.credentials.google.authority import PROJECT, Authority, text_in
from providers_app.behaviours.oauth import grants
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, tokens_from
from providers_app.errors import InvalidCredential, TokenRefused
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http
from providers_app.wire.status import recast

KIND = "authorized_user"
_RAPT_HINT = "Sign in again. Google ends such logins after the time that the organisation set."
OTHER_TYPES = (
    *("external_account", "external_account_authorized_user", "impersonated_service_account", "gdch_service_account"),
)
"""Kinds of credential files that name addresses or programs to fetch tokens from; none of them is followed."""


class AuthorizedUser(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the file that is kept; ``project`` is the quota project, ``account`` an e-mail address, if any."""

    client: OAuthClient
    refresh: Secret
    project: str = ""
    account: str = ""

    def tokens(self, flow: str, authority: Authority, *, expires_at: float | None = None) -> Tokens:
        """Return a login that has no access token yet."""
        return Tokens(
            flow=flow,
            refresh=self.refresh,
            expires_at=expires_at,
            client=self.client,
            issuer=authority.issuer,
            account_label=self.account,
        )


def read(found: Any) -> AuthorizedUser:
    """Return the person in a decoded file. Raises ``InvalidCredential``; nothing of the file is quoted."""
    kind = found.get("type") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or kind != KIND:
        # Only a known word is quoted: in a spoiled file anything may stand there.
        raise InvalidCredential(
            f"Credentials of the type {kind!r} name other places to fetch tokens from; they are not read."
            if kind in OTHER_TYPES
            else "They are not the credentials of a person (type authorized_user)."
        )
    refresh, client_id, secret = (text_in(found, name) for name in ("refresh_token", "client_id", "client_secret"))
    if not (refresh and client_id and secret):
        raise InvalidCredential("It lacks refresh_token, client_id or client_secret.")
    client, project = OAuthClient(id=client_id, secret=Secret(secret)), text_in(found, "quota_project_id")
    project = project if PROJECT.fullmatch(project) else ""
    return AuthorizedUser(client=client, refresh=Secret(refresh), project=project, account=text_in(found, "account"))


async def refresh(tokens: Tokens, authority: Authority, http: Http) -> Tokens:
    """Return new tokens; the refresh token stays valid. Raise ``TokenRefused`` and others, as ``OAuth.refresh``."""
    try:
        found = await grants.refresh_token(TokenEndpoint(url=authority.token_url), tokens, http, spends=False)
    except TokenRefused as error:
        if error.type != "invalid_rapt":
            raise
        message = "The organisation's policy asks for a new sign-in with Google (invalid_rapt)."
        raise recast(error, TokenRefused, _RAPT_HINT, message) from None
    return tokens_from(found, issuer=authority.issuer, now=time.time(), before=tokens)
