"""Seal and open the credentials of sessions, sign-ins and import backups, and say which column values they make.

Together with ``crypto`` the only code that touches a sealed column. Synchronous: call it where a database may be used.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Q
from django.utils.crypto import salted_hmac

from providers_app.errors import NotConfigured, UnknownSession
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import Tokens, from_plain, to_plain
from sessions_app import crypto
from sessions_app.errors import KeyRingError
from sessions_app.models import NOT_DELETED, AuthSession, ImportRun, OAuthAttempt


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The plain content of a sealed credential; a later version may add fields. ``tokens`` only of OAuth sessions."""

    secret: Secret
    tokens: Tokens | None = None


Columns = Mapping[str, Any]
# Column values that leave nothing to open, and those of a session without an error, an open intent, a refresh.
DESTROYED: Columns = {"sealed_credential": b"", "key_id": ""}
BACKUP_DESTROYED: Columns = {"sealed_backup": b"", "key_id": ""}
PENDING_DESTROYED: Columns = {"sealed_pending": b"", "pending_key_id": ""}
TOKENS_DESTROYED: Columns = {"sealed_tokens": b"", "tokens_key_id": ""}
ATTEMPT_HOLDS_TOKENS = ~Q(sealed_tokens=b"")
NO_ERROR: Columns = {"last_error_code": "", "last_error": "", "last_error_at": None}
NO_INTENT: Columns = {"intent_generation": None, "intent_at": None, "presentations": 0}
NO_ATTEMPT: Columns = {**NO_INTENT, "refresh_attempts": 0, "refresh_error_code": "", "refresh_error": ""}
NEVER_REFRESHED: Columns = {**NO_ATTEMPT, "refreshed_at": None, "refresh_failed_at": None}


def sealed_columns(row_id: object, secret: Secret, tokens: Tokens | None = None) -> dict[str, Any]:
    """Return the column values that seal ``secret`` in this row, with ``tokens`` their ``signing``; empty: none."""
    if not secret and tokens is None:
        return dict(DESTROYED)
    plain = to_plain(_Sealed(secret=secret, tokens=tokens))
    sealed, key_id = crypto.current().seal(plain, crypto.SESSION_CREDENTIAL, row_id)
    return {"sealed_credential": sealed, "key_id": key_id}


def oauth_columns(tokens: Tokens, next_refresh_at: float | None) -> dict[str, Any]:
    """Return the column values of ``tokens``, without secrets; ``next_refresh_at``: epoch seconds, ``None``: never."""
    return {
        "settings": dict(tokens.facts),
        "base_url": tokens.base_url,
        "flow": tokens.flow,
        "account_id": tokens.account_id[:200],
        "account_label": tokens.account_label[:200],
        "expires_at": as_time(tokens.expires_at),
        "earliest_refresh_at": as_time(tokens.earliest_refresh_at),
        "next_refresh_at": None if tokens.read_only else as_time(next_refresh_at),
        "read_only_reason": tokens.read_only[:300],
        "token_print": token_print(tokens),
    }


def as_time(seconds: float | None) -> datetime | None:
    """Convert seconds since the epoch; ``None`` for ``None``, infinity and what no calendar has."""
    if seconds is None or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def token_print(tokens: Tokens) -> str:
    """Return an HMAC of the refresh token, by which two copies of one login are recognised; empty without one."""
    refresh = tokens.refresh.reveal()
    return salted_hmac("sessions_app.token", refresh, algorithm="sha256").hexdigest() if refresh else ""


def open_credential(session: AuthSession) -> Credential:
    """Return the credential that signs the requests of this session. Raises ``NotConfigured``, ``KeyRingError``."""
    return msgspec.structs.replace(login_of(session), secret=_open(session).secret)


def login_of(session: AuthSession) -> Credential:
    """Return the credential of a session without its secret; nothing is opened."""
    kind: Any = session.auth_type
    return Credential(auth_type=kind, base_url=session.base_url or None, settings=settings_of(session))


def settings_of(session: AuthSession) -> dict[str, str]:
    """Return the settings that its requests are built with; options a person chose win over facts of the sign-in."""
    return {str(name): str(value) for name, value in {**session.settings, **session.options}.items()}


def open_tokens(session: AuthSession) -> Tokens | None:
    """Return the tokens of an OAuth session, ``None`` for none. Raises ``NotConfigured``, ``KeyRingError``."""
    return _open(session).tokens


def has_secret(session: AuthSession) -> bool:
    """Say whether a secret is stored."""
    return bool(session.key_id)


def without_secret(text: str, credential: Credential) -> str:
    """Remove the credential's key from ``text``: a provider may repeat what it was sent."""
    secret = credential.secret.reveal()
    return text.replace(secret, "***") if secret else text


def without_stored_secret(text: str, session: AuthSession) -> str:
    """Remove this row's key from ``text``; empty when the key cannot be opened, since the text may hold it."""
    try:
        return without_secret(text, open_credential(session))
    except NotConfigured:
        return ""


def replace(session: AuthSession, secret: Secret, changes: Mapping[str, Any], tokens: Tokens | None = None) -> int:
    """Store another secret (or none) with ``changes``, whatever the generation; return the new one.

    Raises ``UnknownSession`` when the session was deleted meanwhile.
    """
    columns = sealed_columns(session.pk, secret, tokens)
    rows = AuthSession.objects.filter(NOT_DELETED, pk=session.pk)
    for _ in range(10):  # a lost swap is repeated on the newer row, so that a person's own replacement wins
        generation = rows.values_list("generation", flat=True).first()
        if generation is None:
            break
        if rows.filter(generation=generation).update(generation=generation + 1, **columns, **changes):
            return generation + 1
    raise UnknownSession(f"The session '{session.name}' was deleted meanwhile.")


def swap(
    session_id: "UUID | str", generation: int, tokens: Tokens, changes: Mapping[str, Any], *, trashed: bool = False
) -> bool:
    """Store ``tokens`` with ``changes`` if the row still has this generation, which then grows by one.

    ``False``: it has another login, or is deleted or destroyed. ``trashed`` also writes a row whose deletion can still
    be undone: it would come back with a spent token otherwise.
    """
    rows = AuthSession.objects.filter(Q() if trashed else NOT_DELETED, pk=session_id, generation=generation)
    columns = sealed_columns(session_id, tokens.signing, tokens)
    return bool(rows.exclude(key_id="").update(generation=generation + 1, **columns, **changes))


def attempt_columns(row_id: object, *, pending: Secret | None = None, tokens: Secret | None = None) -> dict[str, Any]:
    """Return the column values that store the given parts of a sign-in; a part that is ``None`` is left as it is."""
    columns: dict[str, Any] = {}
    for name, part, purpose in (("pending", pending, crypto.LOGIN_PENDING), ("tokens", tokens, crypto.LOGIN_TOKENS)):
        if part is not None:
            sealed, key_id = crypto.current().seal(part.reveal().encode(), purpose, row_id)
            columns |= {f"sealed_{name}": sealed, f"{name}_key_id": key_id}
    return columns


def open_attempt(attempt: OAuthAttempt) -> tuple[Secret, Secret]:
    """Return a sign-in's pending part and its tokens, each empty where there is none. Raises ``KeyRingError``."""
    pk = attempt.pk
    pending = crypto.current().open(attempt.sealed_pending, crypto.LOGIN_PENDING, pk) if attempt.pending_key_id else b""
    tokens = crypto.current().open(attempt.sealed_tokens, crypto.LOGIN_TOKENS, pk) if attempt.tokens_key_id else b""
    return Secret(pending.decode()), Secret(tokens.decode())


def backup_columns(run_id: object, plain: bytes) -> dict[str, Any]:
    """Return the column values that store the backup of an import."""
    sealed, key_id = crypto.current().seal(plain, crypto.IMPORT_BACKUP, run_id)
    return {"sealed_backup": sealed, "key_id": key_id}


def open_backup(run: ImportRun) -> bytes:
    """Return the backup that ``backup_columns`` sealed. Raises ``KeyRingError``."""
    return crypto.current().open(run.sealed_backup, crypto.IMPORT_BACKUP, run.pk)


def _open(session: AuthSession) -> _Sealed:
    if not session.key_id:
        return _Sealed(secret=Secret(""))
    plain = crypto.current().open(session.sealed_credential, crypto.SESSION_CREDENTIAL, session.pk)
    try:
        return from_plain(plain, _Sealed)
    except ValueError:
        raise KeyRingError("A stored credential was written by a newer version of Maestro.") from None
