"""Periodic work. A task re-reads what it needs and is safe to run twice."""

from celery import shared_task

from sessions_app.services import lifecycle, trail


@shared_task(name="sessions_app.purge_deleted", ignore_result=True)  # type: ignore[untyped-decorator]
def purge_deleted() -> None:
    """Destroy deleted sessions whose undo window is over, and audit lines that are past their retention."""
    lifecycle.purge_deleted()
    trail.prune()
