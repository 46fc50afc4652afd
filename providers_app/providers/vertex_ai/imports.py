"""Google's credential files as sessions of Vertex AI, with the project that they name.

The same files are read for the Gemini API as well, and nothing in them says which of the two is meant: they are taken
for that one unless the kind is chosen (``import_sessions --kind vertex-gcloud``).
"""

from typing import Any

import msgspec

from providers_app.behaviours.credentials.google import authorized_user, service_account
from providers_app.errors import InvalidCredential
from providers_app.providers.vertex_ai.oauth import ADC, CONCLUDED, authority
from providers_app.providers.vertex_ai.requests import SLUG, settings
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin, ImportFormat, read_login
from providers_app.types.tokens import Tokens

GCLOUD = ImportFormat(
    name="vertex-gcloud",
    label="gcloud application-default credentials, for Vertex AI",
    place="~/.config/gcloud/application_default_credentials.json",
)
KEY = ImportFormat(name="vertex-service-account", label="Google service-account key, for Vertex AI")
ENDED = 1.0
"""Files without an access token: one is fetched before the first use, because this moment is long past."""
_NO_PROJECT = "It names no project. "


class VertexImports:
    """People and service accounts."""

    formats = (GCLOUD, KEY)

    def recognises(self, found: Any) -> str:
        """Never by itself: see above."""
        return ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """Read one login per file."""
        read = _service_account if format == KEY.name else _person
        return [read_login(SLUG, "the file", read, found) for found in files]


def _person(found: Any) -> tuple[str, Tokens]:
    person = authorized_user.read(found)
    project = settings().project or person.project
    if not project:
        raise InvalidCredential(_NO_PROJECT + "Run `gcloud auth application-default set-quota-project PROJECT` first.")
    tokens = person.tokens(ADC, authority(), expires_at=ENDED)
    billed = {"quota_project": person.project} if person.project else {}
    facts = {"project": project, "project_source": CONCLUDED, **billed}
    return "gcloud_vertex", msgspec.structs.replace(tokens, facts=facts)


def _service_account(found: Any) -> tuple[str, Tokens]:
    account = service_account.read(Secret(msgspec.json.encode(found).decode()), authority())
    project = settings().project or account.project
    if not project:
        raise InvalidCredential(_NO_PROJECT + "Set MAESTRO_PROVIDERS__VERTEX_AI__PROJECT, or sign in with it.")
    facts = {"project": project, "project_source": CONCLUDED}
    return account.session_name, account.tokens(expires_at=ENDED, facts=facts)


BEHAVIOUR = VertexImports()
