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
from providers_app.types.logins import ImportedLogin, ImportFormat, read_login
from providers_app.types.tokens import Tokens

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
        read = _service_account if format == KEY.name else _person
        return [read_login(SLUG, "the file", read, found) for found in files]


def _person(found: Any) -> tuple[str, Tokens]:
    person = authorized_user.read(found)
    if not person.project:
        problem = "It names no quota project. Run `gcloud auth application-default set-quota-project PROJECT` first."
        raise InvalidCredential(problem)
    tokens = person.tokens(GOOGLE, people(), expires_at=ENDED)
    return "gcloud_adc", msgspec.structs.replace(tokens, facts={"project": person.project})


def _service_account(found: Any) -> tuple[str, Tokens]:
    account = service_account.read(Secret(msgspec.json.encode(found).decode()), service_accounts())
    return account.session_name, account.tokens(expires_at=ENDED)


BEHAVIOUR = GeminiImports()
