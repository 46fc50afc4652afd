"""What workers do for contexts."""

from celery import shared_task

from context_app.streams import runtime


@shared_task(name="context_app.take_over_stale_streams", ignore_result=True)
def take_over_stale_streams() -> None:
    """End the streams of processes that died; web processes do the same, a worker also when none is left."""
    runtime.current().take_over()
