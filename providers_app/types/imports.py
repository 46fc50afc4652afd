"""Logins that other programs stored, as a provider reads them out of their files."""

from collections.abc import Callable
from typing import Any

import msgspec

from providers_app.errors import InvalidCredential
from providers_app.types.catalogue import AuthType
from providers_app.types.credentials import Secret
from providers_app.types.tokens import Tokens


class ImportFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A file (or files that belong together) of another program; ``place`` is where people find it."""

    name: str
    label: str
    place: str = ""
    files: int = 1


class ImportedLogin(msgspec.Struct, frozen=True, kw_only=True):
    """One login that was read, or why it could not be.

    ``where`` says where it stood (a line, a key, a row), ``note`` what a person should know about it, ``person`` names
    the owner where the source does (a user name or an e-mail address). ``problem`` says why it cannot be imported; then
    everything else may be empty.
    """

    provider: str
    auth_type: AuthType
    name: str
    where: str
    secret: Secret = Secret("")
    tokens: Tokens | None = None
    base_url: str = ""
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    person: str = ""
    note: str = ""
    problem: str = ""


def unusable(where: str, problem: str, *, provider: str = "", auth_type: AuthType = "api_key") -> ImportedLogin:
    """Return a login that cannot be imported, with the reason."""
    return ImportedLogin(provider=provider, auth_type=auth_type, name="", where=where, problem=problem)


def read_login(provider: str, where: str, read: Callable[[Any], tuple[str, Tokens]], found: Any) -> ImportedLogin:
    """Return the login in a decoded file, of which ``read`` makes a name and tokens, or why it cannot be imported."""
    try:
        name, tokens = read(found)
    except InvalidCredential as error:
        return unusable(where, f"{error.message} {error.hint}".strip(), provider=provider, auth_type="oauth")
    return ImportedLogin(provider=provider, auth_type="oauth", name=name, where=where, tokens=tokens)


def held_elsewhere(program: str) -> str:
    """Return the reason why the rotating tokens of another program are read-only here."""
    return (
        f"{program} holds the same login and refreshes it; if Maestro did so as well, the provider would end it for "
        "both. It is used here until it ends"
    )
