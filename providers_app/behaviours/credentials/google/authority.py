"""The endpoint and scopes of Google's tokens, which each provider gives from its own settings, and their signing."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.behaviours.keys import bearer
from providers_app.errors import InvalidCredential, InvalidRequest
from providers_app.types.advice import Advice
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest

ISSUER = "https://accounts.google.com"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105
CLOUD = "https://www.googleapis.com/auth/cloud-platform"
UNIVERSE = "googleapis.com"
PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}")
"""The id of a project; old ones have a domain in front (``example.com:my-project``)."""
PROJECT_HEADER = "x-goog-user-project"
"""The project that use is counted and billed to."""
MAX_FILE = 64 * 1024
"""Characters; a credential file has some 2,400."""
MAX_TEXT = 4096


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """``token_url`` is the only address that anything secret of a file is sent to; ``scopes`` have spaces between."""

    token_url: str = TOKEN_URI
    scopes: str = CLOUD
    issuer: str = ISSUER


def checked_project(project: str, name: str = "project") -> str:
    """Return the id of a project. Raise ``InvalidRequest``, which quotes nothing of it: it may be a misplaced key."""
    if not PROJECT.fullmatch(project):
        raise InvalidRequest(
            f"The {name} is not the id of a Google Cloud project.",
            hint="Its id is shown in the console's list of projects, for example my-project-123.",
        )
    return project


def object_in(text: Secret, hint: str) -> dict[str, Any]:
    """Return the JSON object that was pasted. Raises ``InvalidCredential``; nothing of it is quoted."""
    given = text.reveal()
    try:
        found = msgspec.json.decode(given.encode()) if len(given) <= MAX_FILE else None
    except (msgspec.MsgspecError, UnicodeError):
        raise InvalidCredential("What was pasted is not JSON.", hint=hint) from None
    if not isinstance(found, dict):
        raise InvalidCredential("What was pasted is not a JSON object.", hint=hint)
    return found


def text_in(found: Mapping[str, Any], name: str) -> str:
    """Return a printable text of a file; empty for any other value."""
    value = found.get(name)
    return value if isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable() else ""


def signed(credential: Credential, request: HttpRequest, project: str | None) -> HttpRequest:
    """Sign with an access token; a person's names the ``project`` that use is counted and billed to."""
    found = bearer(credential, request)
    return found.with_headers({PROJECT_HEADER: project}) if project else found


def advice(what: str, project: str | None) -> list[Advice]:
    """Name the headers that ``signed`` adds; ``what`` says that of the token."""
    found = [Advice(level="hint", field="authorization", what=what)]
    if project:
        billed = f"{PROJECT_HEADER}: {project} is added; use is counted and billed to that project."
        found.append(Advice(level="hint", field=PROJECT_HEADER, what=billed))
    return found
