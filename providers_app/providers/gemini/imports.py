"""Google's credential files: application-default credentials of a person, and keys of service accounts.

Formats as google-auth-library-python reads them (``google/oauth2/credentials.py``, ``service_account.py``). A Google
refresh token stays valid when another program uses it too, so both kinds are refreshed here.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.behaviours.credentials.google import authorized_user, service_account
from providers_app.errors import InvalidCredential
from providers_app.providers.gemini.oauth import GOOGLE, people, service_accounts
from providers_app.providers.gemini.requests import SLUG
from providers_app.types.credentials import Secret
from providers_app.types.imports import ImportedLogin, ImportFormat, unusable

ADC = ImportFormat(
    name="gcloud",
    label="gcloud application-default credentials",
    place="~/.config/gcloud/application_default_credentials.json",
)
KEY = ImportFormat(name="service-account", label="Google service-account key")
ENDED = 1.0
"""Files without an access token: refreshed before the first use, because this moment is long past."""


class GeminiImports:
    """People and service accounts."""

    formats = (ADC, KEY)

    def recognises(self, found: Any) -> str:
        """By the ``type`` that Google writes into its files; every kind of them is ours to explain."""
        kind = found.get("type") if isinstance(found, Mapping) else None
        if kind == "service_account":
            return KEY.name
        return ADC.name if kind in ("authorized_user", *authorized_user.OTHER_TYPES) else ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """Read one login per file."""
        return [_service_account(found) if format == KEY.name else _person(found) for found in files]


def _person(found: Any) -> ImportedLogin:
    where = "the file"
    try:
        person = authorized_user.read(found)
    except InvalidCredential as error:
        return unusable(where, error.message, provider=SLUG, auth_type="oauth")
    if not person.project:
        problem = "It names no quota project. Run `gcloud auth application-default set-quota-project PROJECT` first."
        return unusable(where, problem, provider=SLUG, auth_type="oauth")
    tokens = person.tokens(GOOGLE, people(), expires_at=ENDED)
    tokens = msgspec.structs.replace(tokens, facts={"project": person.project})
    return ImportedLogin(provider=SLUG, auth_type="oauth", name="gcloud_adc", where=where, tokens=tokens)


def _service_account(found: Any) -> ImportedLogin:
    where = "the file"
    try:
        account = service_account.read(Secret(msgspec.json.encode(found).decode()), service_accounts())
    except InvalidCredential as error:
        return unusable(where, error.message, provider=SLUG, auth_type="oauth")
    tokens = account.tokens(expires_at=ENDED)
    return ImportedLogin(provider=SLUG, auth_type="oauth", name=account.session_name, where=where, tokens=tokens)


BEHAVIOUR = GeminiImports()
