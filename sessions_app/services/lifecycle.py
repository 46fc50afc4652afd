"""Rename, disable, enable, delete, undo, purge, revoke, switch off.

``trash`` makes a session invisible and unusable at once and frees its name. For the undo window ``restore`` brings it
back; then ``purge_deleted`` destroys it, with every deletion, on the sessions' pages and from the schedule. ``delete``
destroys at once. ``switch_off`` destroys the secrets and keeps the row and its trail.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from providers_app import conf, loop
from providers_app import provider as door
from providers_app.errors import DuplicateSession, UnknownSession, UpstreamTimeout
from providers_app.sign_in.checks import oauth_only
from sessions_app.credentials import DESTROYED, NO_ATTEMPT
from sessions_app.models import AuthSession, Pk, status_columns
from sessions_app.names import require_no_alias, validate_name
from sessions_app.services import notices, trail

# What a session without its secrets must not keep: nothing to refresh, and nothing that another session equals.
_NO_LOGIN: Mapping[str, Any] = {
    **NO_ATTEMPT, "token_print": "", **dict.fromkeys(("expires_at", "next_refresh_at", "earliest_refresh_at"))
}  # fmt: skip
NO_SECRET = "Its secrets were destroyed: it needs a new sign-in or a new key."  # noqa: S105 - words for people
# The server grants more than the toast shows: a click in the last moment counts, and a hovered toast waits.
UNDO_GRACE_S = 20.0


def rename(session: AuthSession, name: str, *, actor_id: Pk | None = None) -> AuthSession:
    """Give the session another name. Raises ``InvalidName``, ``DuplicateSession``, ``UnknownSession``."""
    name = validate_name(name)
    if name == session.name:
        return session
    with free_name(session.owner_id, session.provider, session.auth_type, name):
        _require(_rows(session).update(name=name), session)
        before, session.name = session.name, name
        trail.note(session, trail.RENAMED, f"was {before}", actor_id=actor_id)
    return session


def disable(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Keep the session but let nothing use it. Doing so twice changes nothing. Raises ``UnknownSession``."""
    rows = _rows(session).exclude(status=AuthSession.Status.DISABLED)
    with transaction.atomic():
        if _switched(session, rows, status_columns(AuthSession.Status.DISABLED, "Switched off by a person.")):
            trail.note(session, trail.DISABLED, actor_id=actor_id)
            notices.resolve(session)


def enable(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Let a disabled session be used again; one without secrets asks for new ones first. Raises ``UnknownSession``."""
    changes = status_columns(AuthSession.Status.ACTIVE)
    if session.auth_type == AuthSession.AuthType.OAUTH and not session.key_id:
        changes = status_columns(AuthSession.Status.NEEDS_REAUTH, NO_SECRET)
    rows = _rows(session).filter(status=AuthSession.Status.DISABLED)
    with transaction.atomic():
        if _switched(session, rows, changes):
            trail.note(session, trail.ENABLED, actor_id=actor_id)
            notices.resolve(session, (notices.SWITCHED_OFF,))


def _switched(session: AuthSession, rows: "QuerySet[AuthSession]", changes: dict[str, Any]) -> bool:
    if rows.update(**changes):
        return True
    _require(_rows(session).exists(), session)
    return False


def revoke(session: AuthSession) -> bool:
    """End the login at its provider; then its secrets are destroyed here and the session is switched off.

    ``False`` (the provider cannot) and a ``ProviderError`` (``UnsupportedOperation`` for a key) change nothing here.
    """
    oauth_only(session.provider, session.auth_type, session.name)
    work = door.revoke_session(session.provider, str(session.pk), owner=session.owner_id)
    try:
        # A refresh that is under way is waited for.
        longest = conf.current().refresh_timeout_s + conf.current().lookup_timeout_s + 5
        revoked: bool = loop.run(work, longest)
    except TimeoutError:
        raise UpstreamTimeout("The provider did not answer in time; the login may be revoked or not.") from None
    return revoked


def switch_off(
    session: AuthSession,
    reason: str,
    action: str = trail.SWITCHED_OFF,
    *,
    rows: "QuerySet[AuthSession] | None" = None,
    actor_id: Pk | None = None,
) -> bool:
    """Destroy the secrets, keep row and trail; ``False`` when the session is gone or no longer among ``rows``."""
    changes = {**status_columns(AuthSession.Status.DISABLED, reason), **_NO_LOGIN, **DESTROYED}
    with transaction.atomic():
        # With the next generation, nothing that read the login before can write over this.
        if not (_rows(session) if rows is None else rows).update(**changes, generation=F("generation") + 1):
            return False
        trail.note(session, action, reason, actor_id=actor_id)
        notices.resolve(session)
    return True


def trash(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Delete with an undo window: unusable and invisible from now on. Raises ``UnknownSession``."""
    purge_deleted()
    with transaction.atomic():
        _require(_rows(session).update(deleted_at=timezone.now()), session)
        trail.note(session, trail.DELETED, actor_id=actor_id)


def restorable(owner_id: Pk, session_id: UUID | str) -> AuthSession | None:
    """Return the deleted session of this owner, while its deletion can still be undone."""
    rows = AuthSession.objects.filter(pk=session_id, owner_id=owner_id, deleted_at__gt=_purge_limit())
    return rows.defer("sealed_credential").first()


def restore(owner_id: Pk, session_id: UUID | str, *, actor_id: Pk | None = None) -> AuthSession:
    """Take a deletion back. Raises ``UnknownSession`` (window over, foreign session), ``DuplicateSession`` (name)."""
    gone = UnknownSession("The session is gone: its secret was destroyed.", hint="Connect it again.")
    session = restorable(owner_id, session_id)
    if session is None:
        raise gone
    with free_name(session.owner_id, session.provider, session.auth_type, session.name):
        # The condition makes this and the purge exclude each other, whichever comes first.
        if not AuthSession.objects.filter(pk=session.pk, deleted_at=session.deleted_at).update(deleted_at=None):
            raise gone
        trail.note(session, trail.RESTORED, actor_id=actor_id)
    session.deleted_at = None
    return session


def delete(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Destroy the secret and the row at once. Raises ``UnknownSession`` when it is gone already."""
    with transaction.atomic():
        trail.note(session, trail.DELETED, "at once", actor_id=actor_id)
        rows = AuthSession.objects.filter(pk=session.pk)
        # Overwritten before it is removed: a page of the database file that is freed keeps what it last held.
        if not rows.update(**DESTROYED):
            raise UnknownSession("The session was deleted already.")
        rows.delete()


def purge_deleted() -> int:
    """Destroy what was deleted longer ago than the undo window; return how many. Safe to run twice at once."""
    due = AuthSession.objects.filter(deleted_at__lte=_purge_limit())
    purged = 0
    for session in due.defer("sealed_credential"):
        with transaction.atomic():
            rows = due.filter(pk=session.pk)
            if rows.update(**DESTROYED):
                trail.note(session, trail.DESTROYED)
                rows.delete()
                purged += 1
    return purged


def duplicate(provider: str, auth_type: str, name: str) -> DuplicateSession:
    """Return the error for a name that is taken."""
    return DuplicateSession(f"You already have a session called '{name}' for {provider} ({auth_type}).")


@contextmanager
def free_name(owner_id: Pk, provider: str, auth_type: str, name: str) -> Iterator[None]:
    """Run the block in a transaction. Raises ``DuplicateSession`` when a session or an alias has the name by then."""
    try:
        with transaction.atomic():
            require_no_alias(owner_id, name)
            yield
    except IntegrityError:
        raise duplicate(provider, auth_type, name) from None


def _purge_limit() -> datetime:
    return timezone.now() - timedelta(seconds=settings.MAESTRO.sessions.undo_window_s + UNDO_GRACE_S)


def _rows(session: AuthSession) -> "QuerySet[AuthSession]":
    return AuthSession.objects.filter(pk=session.pk, deleted_at__isnull=True)


def _require(found: int, session: AuthSession) -> None:
    if not found:
        raise UnknownSession(f"The session '{session.name}' was deleted meanwhile.")
