"""What workers do for contexts."""

from celery import shared_task

from context_app.services import retention
from context_app.streams import runtime


@shared_task(name="context_app.take_over_stale_streams", ignore_result=True)
def take_over_stale_streams() -> None:
    """End the streams of processes that died; web processes do the same, a worker also when none is left."""
    runtime.current().take_over()


@shared_task(name="context_app.prune", ignore_result=True)
def prune() -> None:
    """Remove chats that were deleted a day ago, and the events of answers that ended long ago."""
    retention.prune()
