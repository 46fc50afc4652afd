"""Google's credential files: application-default credentials of a person, and keys of service accounts.

Formats as google-auth-library-python reads them (``google/oauth2/credentials.py``, ``service_account.py``). A Google
refresh token stays valid when another program uses it too, so both kinds are refreshed here.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.oauth import OAuthClient
from providers_app.errors import InvalidCredential
from providers_app.providers.gemini import service_account
from providers_app.providers.gemini.oauth import GOOGLE
from providers_app.providers.gemini.requests import SLUG
from providers_app.types.credentials import Secret
from providers_app.types.imports import ImportedLogin, ImportFormat, unusable
from providers_app.types.tokens import Tokens

ADC = ImportFormat(
    name="gcloud",
    label="gcloud application-default credentials",
    place="~/.config/gcloud/application_default_credentials.json",
)
KEY = ImportFormat(name="service-account", label="Google service-account key")
ENDED = 1.0
"""Files without an access token: refreshed before the first use, because this moment is long past."""
NAME_LENGTH = 40
OTHER_TYPES = (
    "external_account",
    "external_account_authorized_user",
    "impersonated_service_account",
    "gdch_service_account",
)


class GeminiImports:
    """People and service accounts."""

    formats = (ADC, KEY)

    def recognises(self, found: Any) -> str:
        """By the ``type`` that Google writes into its files; every kind of them is ours to explain."""
        kind = found.get("type") if isinstance(found, Mapping) else None
        if kind == "service_account":
            return KEY.name
        return ADC.name if kind in ("authorized_user", *OTHER_TYPES) else ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """One login per file."""
        return [_service_account(found) if format == KEY.name else _person(found) for found in files]


def _person(found: Any) -> ImportedLogin:
    where = "the file"
    if not isinstance(found, Mapping) or found.get("type") != "authorized_user":
        kind = found.get("type") if isinstance(found, Mapping) else None
        # Only a known word is quoted: in a spoiled file anything may stand there.
        problem = (
            f"Credentials of the type {kind!r} name other places to fetch tokens from; they are not read."
            if kind in OTHER_TYPES
            else "They are not the credentials of a person (type authorized_user)."
        )
        return unusable(where, problem, provider=SLUG, auth_type="oauth")
    refresh, client_id, secret = (_text(found, name) for name in ("refresh_token", "client_id", "client_secret"))
    if not (refresh and client_id and secret):
        return unusable(where, "It lacks refresh_token, client_id or client_secret.", provider=SLUG, auth_type="oauth")
    project, account = _text(found, "quota_project_id"), _text(found, "account")
    if not project:
        problem = "It names no quota project. Run `gcloud auth application-default set-quota-project PROJECT` first."
        return unusable(where, problem, provider=SLUG, auth_type="oauth")
    tokens = Tokens(
        flow=GOOGLE,
        refresh=Secret(refresh),
        expires_at=ENDED,
        client=OAuthClient(id=client_id, secret=Secret(secret)),
        issuer=conf.provider(SLUG).oauth.issuer,
        account_label=account,
        facts={"project": project},
    )
    return ImportedLogin(provider=SLUG, auth_type="oauth", name="gcloud_adc", where=where, tokens=tokens)


def _service_account(found: Any) -> ImportedLogin:
    where = "the file"
    try:
        account = service_account.read(Secret(msgspec.json.encode(found).decode()))
    except InvalidCredential as error:
        return unusable(where, error.message, provider=SLUG, auth_type="oauth")
    local = account.email.partition("@")[0].replace(".", "_")[:NAME_LENGTH]
    tokens = Tokens(
        flow=service_account.FLOW,
        expires_at=ENDED,
        material=account.material,
        account_id=account.email,
        account_label=account.email,
        facts={"account_project": account.project} if account.project else {},
    )
    name = local if len(local) >= 3 else f"sa_{local}"
    return ImportedLogin(provider=SLUG, auth_type="oauth", name=name, where=where, tokens=tokens)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) and len(value) <= 4096 and value.isprintable() else ""


BEHAVIOUR = GeminiImports()
