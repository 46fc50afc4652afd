"""Service accounts: a signed statement becomes an access token, again and again; there is no refresh token.

https://developers.google.com/identity/protocols/oauth2/service-account
"""

import asyncio
import re
import time
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from providers_app.behaviours.credentials.google.authority import PROJECT, TOKEN_URI, UNIVERSE, Authority, object_in
from providers_app.behaviours.oauth import LoginField, grants
from providers_app.behaviours.oauth.endpoint import SKEW_S, TokenEndpoint, tokens_from
from providers_app.errors import AuthenticationFailed, InvalidCredential, TokenRefused, UpstreamError
from providers_app.types.credentials import Secret
from providers_app.types.tokens import Tokens
from providers_app.wire import payload
from providers_app.wire.client import Http
from providers_app.wire.status import recast

FLOW = "service_account"
FIELD = "service_account"
HINT = "Paste the JSON file of a service account's key, as Google's console gave it."
KEY_FILE = LoginField(name=FIELD, label="Key file (JSON)", help=HINT, secret=True, multiline=True)
"""The field of a sign-in that takes the file."""
NAME_LENGTH = 40
_EMAIL = re.compile(r"[A-Za-z0-9._-]{1,100}@[A-Za-z0-9.-]{1,200}")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{0,200}")
# What each other kind of credential file is, and why it is not taken.
_OTHER_TYPES = {
    "authorized_user": "These are the credentials of a person, for whom there is another way to sign in.",
    "external_account": "It names addresses (or a program) to fetch tokens from, which are not followed.",
    "external_account_authorized_user": "It names addresses to fetch tokens from, which are not followed.",
    "impersonated_service_account": "It stands for another account by an address of its own, which is not followed.",
    "gdch_service_account": "It is for an installation of Google Distributed Cloud, which is not this cloud.",
}


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the key file that is kept."""

    email: str
    key: Secret
    key_id: str = ""
    token_uri: str = TOKEN_URI
    project: str = ""

    @property
    def session_name(self) -> str:
        """Return a name for a session of the account, where none was chosen."""
        local = self.email.partition("@")[0].replace(".", "_")[:NAME_LENGTH]
        return local if len(local) >= 3 else f"sa_{local}"

    @property
    def material(self) -> dict[str, Secret]:
        """Return the material that tokens are made from."""
        return {
            "email": Secret(self.email),
            "private_key": self.key,
            "private_key_id": Secret(self.key_id),
            "token_uri": Secret(self.token_uri),
        }

    def tokens(self, *, expires_at: float | None = None, facts: Mapping[str, str] = MappingProxyType({})) -> Tokens:
        """Return what is stored of the account before its first token; ``facts`` are added to its own."""
        own = {"account_project": self.project} if self.project else {}
        return Tokens(
            flow=FLOW,
            expires_at=expires_at,
            material=self.material,
            account_id=self.email,
            account_label=self.email,
            facts={**facts, **own},
        )


def read(text: Secret, authority: Authority) -> ServiceAccount:
    """Return the account in a key file. Raises ``InvalidCredential`` with the reason; nothing of the file is quoted."""
    found = object_in(text, HINT)
    kind = found.get("type")
    if kind != "service_account":
        reason = _OTHER_TYPES.get(payload.text(kind))
        message = f"This is not the key of a service account. {reason}" if reason else ""
        raise InvalidCredential(message or "This JSON is not the key of a service account.", hint=HINT)
    if found.get("universe_domain", UNIVERSE) != UNIVERSE:
        raise InvalidCredential(f"The service account belongs to another cloud than {UNIVERSE}.")
    email, key, key_id = (payload.text(found.get(name)) for name in ("client_email", "private_key", "private_key_id"))
    if not (_EMAIL.fullmatch(email) and key and _KEY_ID.fullmatch(key_id)):
        raise InvalidCredential("The key file lacks client_email or private_key.", hint=HINT)
    token_uri = payload.text(found.get("token_uri")) or TOKEN_URI
    if token_uri not in (TOKEN_URI, authority.token_url):
        # The file comes from a person: a token that is fetched from its address could be a trap.
        raise InvalidCredential(f"The key file names another token_uri than {TOKEN_URI}.", hint=HINT)
    project = payload.text(found.get("project_id"))
    project = project if PROJECT.fullmatch(project) else ""
    account = ServiceAccount(email=email, key=Secret(key), key_id=key_id, token_uri=token_uri, project=project)
    _assertion(account.material, authority, time.time())  # a key that cannot sign is found now
    return account


async def mint(tokens: Tokens, authority: Authority, http: Http) -> Tokens:
    """Return new tokens. Raise ``TokenRefused``, ``AuthenticationFailed`` (or a wrong clock), ``UpstreamError``."""
    now = time.time()
    endpoint = TokenEndpoint(url=authority.token_url)
    try:
        # Reading the key takes some 40 ms of arithmetic, which the loop must not wait for.
        assertion = await asyncio.to_thread(_assertion, tokens.material, authority, now)
        answer = await grants.jwt_bearer(endpoint, assertion, http)
    except TokenRefused as error:
        raise _explained(error) from None
    return tokens_from(answer, issuer=authority.issuer, now=now, before=tokens, default_ttl=grants.ASSERTION_S)


def _explained(error: TokenRefused) -> UpstreamError:
    """Return the error of a refusal; a wrong clock, which Google also calls ``invalid_grant``, is not final."""
    if error.skew is not None and abs(error.skew) > SKEW_S:
        message = f"Google does not accept the service account's signature, and the clocks differ: {error.message}"
        return recast(error, AuthenticationFailed, "Set the clock of this machine; then it goes on by itself.", message)
    message = (
        f"Google does not accept the service account's key any more ({error.upstream_code}): it was deleted, or the "
        "account was disabled."
    )
    return recast(error, TokenRefused, "Make a new key for the service account and connect it again.", message)


def _assertion(material: dict[str, Secret], authority: Authority, now: float) -> Secret:
    return grants.service_account_assertion(
        email=material["email"].reveal(),
        key_pem=material["private_key"],
        key_id=material["private_key_id"].reveal(),
        audience=material["token_uri"].reveal(),
        scope=authority.scopes,
        now=now,
    )
