"""The state of a sign-in, as it passes between the core and the store."""

from typing import Literal

import msgspec

from providers_app.types.credentials import Secret

LoginStatus = Literal["waiting", "exchanging", "confirm", "done", "failed", "cancelled"]
"""``confirm``: the tokens are sealed in the attempt and need the person. They are another account's than the session
had, or (step ``finish``) a step after the exchange failed for now and can be taken again."""


class LoginState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a sign-in, for a page that waits; without secrets. Times are seconds since the epoch.

    ``step`` is one of: ``made``, ``listening``, ``polling``, ``exchange``, ``finish``, ``account``, ``store`` and
    ``done``.
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

    ``target`` is the session that is signed in again, empty for a new one. ``browser`` is the hash of the browser
    session that began it; empty for one that was begun outside a browser. ``expected_account`` is the account id that
    the target had, empty where it is not known.
    """

    state: LoginState
    owner: int | str
    browser: str
    pending: Secret
    tokens: Secret = Secret("")
    expected_account: str = ""
