"""Scheduled tasks of contexts."""

from celery import shared_task

from context_app.services import retention
from context_app.streams import runtime


@shared_task(name="context_app.take_over_stale_streams", ignore_result=True)
def take_over_stale_streams() -> None:
    """End the streams of dead processes, even if no web process is left to do it."""
    runtime.current().take_over()


@shared_task(name="context_app.prune", ignore_result=True)
def prune() -> None:
    """Destroy chats that were deleted a day ago, and delete the events of answers that ended long ago."""
    retention.prune()
