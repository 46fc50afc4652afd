"""The audit trail: what was done to a session, by whom, and when. One line per action, not per use."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from sessions_app.models import AuthSession, Pk, SessionEvent

CREATED = "created"
TESTED = "tested"
RENAMED = "renamed"
DISABLED = "disabled"
ENABLED = "enabled"
KEY_REPLACED = "key-replaced"
ADDRESS_CHANGED = "address-changed"
OPTIONS_CHANGED = "options-changed"
DELETED = "deleted"
RESTORED = "restored"
DESTROYED = "destroyed"
USE_FAILED = "used-failed"
RECOVERED = "recovered"
REVOKED = "revoked"
SWITCHED_OFF = "switched-off"
SIGNED_IN = "signed-in"
SIGNED_IN_AGAIN = "signed-in-again"
IMPORTED = "imported"
REFRESHED = "refreshed"
REFRESH_FAILED = "refresh-failed"
REFRESH_UNKNOWN = "refresh-unknown"
REFRESH_REFUSED = "refresh-refused"
REFRESH_ASKED = "refresh-asked"
ADDRESS_ALLOWED = "address-allowed"
ADDRESS_REVOKED = "address-revoked"
ALIAS_CREATED = "alias-created"
ALIAS_CHANGED = "alias-changed"
ALIAS_DELETED = "alias-deleted"
CIRCUIT_CLOSED = "circuit-closed"


def note(session: AuthSession, action: str, detail: str = "", *, actor_id: Pk | None = None) -> None:
    """Write one line. ``actor_id`` is the person who did it; ``None`` is Maestro itself."""
    line(session, action, detail, actor_id=actor_id).save(force_insert=True)


def line(session: AuthSession, action: str, detail: str = "", *, actor_id: Pk | None = None) -> SessionEvent:
    """Return one unsaved line, for writing many at once."""
    return SessionEvent(
        session_id=session.pk,
        session_label=str(session),
        owner_id=session.owner_id,
        actor_id=actor_id,
        action=action,
        detail=detail[:500],
    )


def note_address(pair: str, action: str, *, actor_id: Pk) -> None:
    """Write one line about an allowed address, which belongs to no session but to the person who decided."""
    SessionEvent.objects.create(session_label=pair[:120], owner_id=actor_id, actor_id=actor_id, action=action)


def note_alias(name: str, owner_id: Pk, action: str, detail: str = "", *, actor_id: Pk | None = None) -> None:
    """Write one line about an alias, which may have routes by many sessions."""
    SessionEvent.objects.create(
        session_label=f"alias {name}", owner_id=owner_id, actor_id=actor_id, action=action, detail=detail[:500]
    )


def prune() -> int:
    """Delete lines that are older than the retention; return how many."""
    oldest = timezone.now() - timedelta(days=settings.MAESTRO.sessions.event_retention_days)
    return SessionEvent.objects.filter(at__lt=oldest).delete()[0]
