"""The rules for the names of sessions and aliases, and references that name a session."""

import re
import uuid
from contextlib import suppress
from typing import NamedTuple

from django.contrib.auth import get_user_model

from providers_app.errors import DuplicateAlias, DuplicateSession, InvalidName
from sessions_app.models import NOT_DELETED, Alias, AuthSession, Pk
from sessions_app.providers import slugs

MIN_LENGTH, MAX_LENGTH = 3, 50
_NAME = re.compile(rf"[A-Za-z0-9_-]{{{MIN_LENGTH},{MAX_LENGTH}}}")


def validate_name(name: str, what: str = "session") -> str:
    """Return ``name`` stripped; ``what`` has it: a session or an alias.

    Raises ``InvalidName``: length, characters, a provider's slug or the word ``alias``, an id's form.
    """
    name = name.strip() if isinstance(name, str) else ""
    if not name:
        raise InvalidName(f"The {what} has no name.")
    article = "an" if what == "alias" else "a"
    of = f"{article.capitalize()} {what}'s name"
    if not _NAME.fullmatch(name):
        length = f"{len(name)} characters" if len(name) != 1 else "1 character"
        wrong = sorted({character for character in name if not re.fullmatch(r"[A-Za-z0-9_-]", character)})
        if wrong:
            shown = " or ".join("spaces" if character == " " else repr(character) for character in wrong[:5])
            raise InvalidName(f"{of} may not contain {shown}.")
        raise InvalidName(f"{of} has {MIN_LENGTH} to {MAX_LENGTH} characters; this one has {length}.")
    if name.casefold() in {"alias", *(slug.casefold() for slug in slugs())}:  # ``slug/model`` must mean one thing
        hint = f"Add something of your own, for example 'my_{name}'."
        raise InvalidName(f"'{name}' is the name of a provider, so it cannot name {article} {what}.", hint=hint)
    if _as_uuid(name) is not None:
        hint = "Choose a name that says whose login it is."
        raise InvalidName(f"{of} may not look like an id.", hint=hint)
    return name


def require_no_alias(owner_id: Pk, *names: str) -> None:
    """Raise ``DuplicateSession`` where an alias of this person has one of the names that sessions are to get.

    ``name/model`` must mean one thing. The person's row is locked, as in ``require_no_session``: call it in the
    transaction that stores the names.
    """
    _lock(owner_id)
    taken = {name.casefold() for name in Alias.objects.filter(owner_id=owner_id).values_list("name", flat=True)}
    if found := next((name for name in names if name.casefold() in taken), None):
        raise DuplicateSession(f"You already have an alias called '{found}'.", hint="Choose another name.")


def require_no_session(owner_id: Pk, name: str) -> None:
    """Raise ``DuplicateAlias`` where a session of this person has the name that an alias is to get."""
    _lock(owner_id)
    if AuthSession.objects.filter(NOT_DELETED, owner_id=owner_id, name__iexact=name).exists():
        raise DuplicateAlias(f"You already have a session called '{name}'.", hint="Choose another name.")


def _lock(owner_id: Pk) -> None:
    get_user_model().objects.select_for_update(no_key=True).filter(pk=owner_id).first()


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
