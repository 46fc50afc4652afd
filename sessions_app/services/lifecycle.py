"""Rename, disable, enable, delete, undo, purge, revoke, switch off.

Deleting on a page is two steps. ``trash`` makes the session invisible and unusable at once and frees its name; for the
undo window ``restore`` brings it back. ``purge_deleted`` then destroys the secret and the row; it runs with every
deletion, on the sessions' pages and from the schedule. ``delete`` (commands, admin, the universal interface) destroys
at once.

``switch_off`` destroys the secrets and keeps the row and its trail: after a login was revoked at the provider, and when
it was dead for long (``services.retention``).
"""

from collections.abc import Mapping
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
from sessions_app.credentials import DESTROYED
from sessions_app.models import AuthSession, Pk
from sessions_app.names import validate_name
from sessions_app.services import notices, trail

# What a session without its secrets must not keep: nothing to refresh, and nothing that another session equals.
_NO_LOGIN: Mapping[str, Any] = {
    "token_print": "",
    "expires_at": None,
    "next_refresh_at": None,
    "earliest_refresh_at": None,
    "intent_generation": None,
    "intent_at": None,
    "presentations": 0,
    "refresh_attempts": 0,
    "refresh_error_code": "",
    "refresh_error": "",
}
NO_SECRET = "Its secrets were destroyed: it needs a new sign-in or a new key."  # noqa: S105 - words for people
# The server grants more than the toast shows: a click in the last moment counts, and a hovered toast waits.
UNDO_GRACE_S = 20.0


def rename(session: AuthSession, name: str, *, actor_id: Pk | None = None) -> AuthSession:
    """Give the session another name. Raises ``InvalidName``, ``DuplicateSession``, ``UnknownSession``."""
    name = validate_name(name)
    if name == session.name:
        return session
    before = session.name
    try:
        with transaction.atomic():
            _update(session, name=name)
            session.name = name
            trail.note(session, trail.RENAMED, f"was {before}", actor_id=actor_id)
    except IntegrityError:
        session.name = before
        raise duplicate(session.provider, session.auth_type, name) from None
    return session


def disable(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Keep the session but let nothing use it. Doing so twice changes nothing. Raises ``UnknownSession``."""
    now = timezone.now()
    with transaction.atomic():
        if (
            _rows(session)
            .exclude(status=AuthSession.Status.DISABLED)
            .update(
                status=AuthSession.Status.DISABLED, status_reason="Switched off by a person.", status_changed_at=now
            )
        ):
            trail.note(session, trail.DISABLED, actor_id=actor_id)
            notices.resolve(session)
        else:
            _must_exist(session)


def enable(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Let a disabled session be used again; what it then answers decides its status. Raises ``UnknownSession``.

    One whose secrets were destroyed can do nothing before it gets new ones, and says so.
    """
    changes: dict[str, Any] = {"status": AuthSession.Status.ACTIVE, "status_reason": ""}
    if session.auth_type == AuthSession.AuthType.OAUTH and not session.key_id:
        changes = {"status": AuthSession.Status.NEEDS_REAUTH, "status_reason": NO_SECRET}
    rows = _rows(session).filter(status=AuthSession.Status.DISABLED)
    with transaction.atomic():
        if rows.update(**changes, status_changed_at=timezone.now()):
            trail.note(session, trail.ENABLED, actor_id=actor_id)
            notices.resolve(session, (notices.SWITCHED_OFF,))
        else:
            _must_exist(session)


def revoke(session: AuthSession) -> bool:
    """End the login at its provider; then its secrets are destroyed here and the session is switched off.

    ``False``: the provider has no way to do so. Then, and when it raises a ``ProviderError`` (``UnsupportedOperation``
    for a key), nothing was changed here.
    """
    oauth_only(session.provider, session.auth_type, session.name)
    work = door.revoke_session(session.provider, str(session.pk), owner=session.owner_id)
    try:
        revoked: bool = loop.run(work, conf.current().lookup_timeout_s + 5)
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
    """Destroy the secrets, keep the row and its trail; nothing can use or refresh it any more.

    ``rows`` may narrow what the session must still be like; ``False`` when it is not (or is gone).
    """
    changes = {
        "status": AuthSession.Status.DISABLED,
        "status_reason": reason[:300],
        "status_changed_at": timezone.now(),
        # Whoever read the login before can write nothing over this.
        "generation": F("generation") + 1,
    }
    with transaction.atomic():
        if not (_rows(session) if rows is None else rows).update(**changes, **_NO_LOGIN, **DESTROYED):
            return False
        trail.note(session, action, reason, actor_id=actor_id)
        notices.resolve(session)
    return True


def trash(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Delete with an undo window: unusable and invisible from now on. Raises ``UnknownSession``."""
    purge_deleted()
    with transaction.atomic():
        _update(session, deleted_at=timezone.now())
        trail.note(session, trail.DELETED, actor_id=actor_id)


def restorable(owner_id: Pk, session_id: UUID | str) -> AuthSession | None:
    """Return the deleted session of this owner, while its deletion can still be undone."""
    rows = AuthSession.objects.filter(pk=session_id, owner_id=owner_id, deleted_at__gt=_purge_limit())
    return rows.defer("sealed_credential").first()


def restore(owner_id: Pk, session_id: UUID | str, *, actor_id: Pk | None = None) -> AuthSession:
    """Take a deletion back. Raises ``UnknownSession`` when the window is over (or the session is someone else's), and
    ``DuplicateSession`` when its name was given to another session meanwhile."""
    session = restorable(owner_id, session_id)
    if session is None:
        raise UnknownSession("The session is gone: its secret was destroyed.", hint="Connect it again.")
    try:
        with transaction.atomic():
            # The condition makes this and the purge exclude each other, whichever comes first.
            if not AuthSession.objects.filter(pk=session.pk, deleted_at=session.deleted_at).update(deleted_at=None):
                raise UnknownSession("The session is gone: its secret was destroyed.", hint="Connect it again.")
            trail.note(session, trail.RESTORED, actor_id=actor_id)
    except IntegrityError:
        raise duplicate(session.provider, session.auth_type, session.name) from None
    session.deleted_at = None
    return session


def delete(session: AuthSession, *, actor_id: Pk | None = None) -> None:
    """Destroy the secret and the row at once. Raises ``UnknownSession`` when it is gone already."""
    with transaction.atomic():
        trail.note(session, trail.DELETED, "at once", actor_id=actor_id)
        _destroy(session.pk, missing_ok=False)


def purge_deleted() -> int:
    """Destroy what was deleted longer ago than the undo window; how many. Safe to run at the same time elsewhere."""
    due = AuthSession.objects.filter(deleted_at__lte=_purge_limit())
    return sum(_purge_one(session) for session in due.defer("sealed_credential"))


def duplicate(provider: str, auth_type: str, name: str) -> DuplicateSession:
    """Return the error for a name that is taken."""
    return DuplicateSession(f"You already have a session called '{name}' for {provider} ({auth_type}).")


def _purge_one(session: AuthSession) -> int:
    with transaction.atomic():
        if not AuthSession.objects.filter(pk=session.pk, deleted_at__lte=_purge_limit()).update(**DESTROYED):
            return 0
        trail.note(session, trail.DESTROYED)
        return _destroy(session.pk, missing_ok=True)


def _destroy(session_id: UUID, *, missing_ok: bool) -> int:
    # Overwritten before it is removed: a page of the database file that is freed keeps what it last held.
    if not AuthSession.objects.filter(pk=session_id).update(**DESTROYED) and not missing_ok:
        raise UnknownSession("The session was deleted already.")
    deleted, _ = AuthSession.objects.filter(pk=session_id).delete()
    return min(deleted, 1)


def _purge_limit() -> datetime:
    return timezone.now() - timedelta(seconds=settings.MAESTRO.sessions.undo_window_s + UNDO_GRACE_S)


def _rows(session: AuthSession) -> "QuerySet[AuthSession]":
    return AuthSession.objects.filter(pk=session.pk, deleted_at__isnull=True)


def _update(session: AuthSession, **values: object) -> None:
    if not _rows(session).update(**values):
        raise UnknownSession(f"The session '{session.name}' was deleted meanwhile.")


def _must_exist(session: AuthSession) -> None:
    if not _rows(session).exists():
        raise UnknownSession(f"The session '{session.name}' was deleted meanwhile.")
