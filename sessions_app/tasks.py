"""Periodic work. A task re-reads what it needs and is safe to run twice."""

from celery import shared_task

from sessions_app.services import imports, lifecycle, notices, refresh, retention, trail
from sessions_app.stores import logins


@shared_task(name="sessions_app.purge_deleted", ignore_result=True)  # type: ignore[untyped-decorator]
def purge_deleted() -> None:
    """Destroy deleted sessions whose undo window is over, and audit lines that are past their retention."""
    lifecycle.purge_deleted()
    trail.prune()


@shared_task(name="sessions_app.refresh_due", ignore_result=True)  # type: ignore[untyped-decorator]
def refresh_due() -> None:
    """Refresh the logins that are due; a lease per lane decides between two of these."""
    refresh.refresh_due()


@shared_task(name="sessions_app.email_notices", ignore_result=True)  # type: ignore[untyped-decorator]
def email_notices() -> None:
    """Send the Notices by e-mail that their owners have not seen yet."""
    notices.email_notices()


@shared_task(name="sessions_app.watch", ignore_result=True)  # type: ignore[untyped-decorator]
def watch() -> None:
    """Close the Notices whose reason is gone, tell of logins that ended, and end sign-ins whose time is over."""
    retention.settle()
    retention.tell_ended()
    logins.prune_logins()


@shared_task(name="sessions_app.retire_dead", ignore_result=True)  # type: ignore[untyped-decorator]
def retire_dead() -> None:
    """Warn of dead logins, switch off those whose owners were warned, and forget old Notices and backups."""
    retention.retire_dead()
    notices.prune()
    imports.prune_backups()
