"""The rules for a session's name, and references that name a session."""

import re
import uuid
from contextlib import suppress
from typing import NamedTuple

from providers_app.errors import InvalidName
from sessions_app.models import AuthSession
from sessions_app.providers import slugs

MIN_LENGTH, MAX_LENGTH = 3, 50
_NAME = re.compile(rf"[A-Za-z0-9_-]{{{MIN_LENGTH},{MAX_LENGTH}}}")


def validate_name(name: str) -> str:
    """Return ``name`` stripped. Raises ``InvalidName``: length, characters, a provider's slug, an id's form."""
    name = name.strip() if isinstance(name, str) else ""
    if not name:
        raise InvalidName("The session has no name.")
    if not _NAME.fullmatch(name):
        length = f"{len(name)} characters" if len(name) != 1 else "1 character"
        wrong = sorted({character for character in name if not re.fullmatch(r"[A-Za-z0-9_-]", character)})
        if wrong:
            shown = " or ".join("spaces" if character == " " else repr(character) for character in wrong[:5])
            raise InvalidName(f"A session's name may not contain {shown}.")
        raise InvalidName(f"A session's name has {MIN_LENGTH} to {MAX_LENGTH} characters; this one has {length}.")
    if name.casefold() in {slug.casefold() for slug in slugs()}:  # ``slug/model`` must mean one thing
        hint = f"Add something of your own, for example 'my_{name}'."
        raise InvalidName(f"'{name}' is the name of a provider, so it cannot name a session.", hint=hint)
    if _as_uuid(name) is not None:
        hint = "Choose a name that says whose login it is."
        raise InvalidName("A session's name may not look like an id.", hint=hint)
    return name


class Reference(NamedTuple):
    """A parsed reference: an ``id``, or a ``name`` with an optional ``auth_type``."""

    id: uuid.UUID | None
    name: str
    auth_type: str | None


def parse_reference(text: str) -> Reference:
    """Parse an id, ``auth_type:name``, or a name."""
    # No name has a NUL, and a database refuses to search for one.
    text = text.replace("\x00", "\ufffd").strip()
    if (row_id := _as_uuid(text)) is not None:
        return Reference(row_id, "", None)
    head, colon, tail = text.partition(":")
    if colon and head in AuthSession.AuthType.values:
        return Reference(None, tail, head)
    return Reference(None, text, None)


def _as_uuid(text: str) -> uuid.UUID | None:
    with suppress(ValueError):
        return uuid.UUID(text) if len(text) in {32, 36} else None
    return None
