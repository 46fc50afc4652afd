"""Tasks of the installation itself."""

from celery import shared_task

from maestro_site import pulse


@shared_task(name="maestro_site.pulse")
def beat_pulse() -> None:
    """Say that a worker took a task just now."""
    pulse.beat("worker")
