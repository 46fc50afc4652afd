"""Sign-ins, as they pass between the core and the store, and logins that other programs stored."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from providers_app.errors import InvalidCredential
from providers_app.types.catalogue import AuthType
from providers_app.types.credentials import Secret
from providers_app.types.tokens import Tokens

LoginStatus = Literal["waiting", "exchanging", "confirm", "done", "failed", "cancelled"]
"""``confirm``: the tokens are sealed in the attempt and need the person. They are another account's than the session
had, or (step ``finish``) a step after the exchange failed for now and can be taken again."""


class LoginState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a sign-in, for a page that waits; without secrets. Times are seconds since the epoch.

    ``step``: ``made``, ``listening``, ``polling``, ``exchange``, ``finish``, ``account``, ``store`` or ``done``.
    ``error`` and ``code`` say why it ended or what the last answer lacked; ``account`` is whose tokens wait for a
    confirmation, ``expected`` whose the session had.
    """

    id: str
    provider: str
    flow: str
    method: str
    name: str
    status: LoginStatus
    step: str
    created_at: float
    expires_at: float
    session_id: str = ""
    target: str = ""
    error: str = ""
    hint: str = ""
    code: str = ""
    account: str = ""
    expected: str = ""
    return_to: str = ""


class LoginAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A stored sign-in with its sealed part opened. ``pending`` is the encoded ``PendingLogin`` (see ``sealing``).

    ``browser`` is the hash of the browser session that began it, ``expected_account`` the account id of the session to
    sign in again; both may be empty.
    """

    state: LoginState
    owner: int | str
    browser: str
    pending: Secret
    tokens: Secret = Secret("")
    expected_account: str = ""


class ImportFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A file (or files that belong together) of another program; ``place`` is where people find it."""

    name: str
    label: str
    place: str = ""
    files: int = 1


class ImportedLogin(msgspec.Struct, frozen=True, kw_only=True):
    """One login that was read; with a ``problem`` it cannot be imported, and the rest may be empty.

    ``where`` is its place in the source (a line, a key, a row), ``note`` what a person should know about it,
    ``person`` the owner where the source names one (a user name or an e-mail address).
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
