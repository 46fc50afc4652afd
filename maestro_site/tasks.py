"""Celery tasks of the installation itself."""

from celery import shared_task

from maestro_site import pulse
from maestro_site.accounts import browsers


@shared_task(name="maestro_site.pulse")
def beat_pulse() -> None:
    """Record that a worker took a task just now."""
    pulse.beat("worker")


@shared_task(name="maestro_site.prune_browsers", ignore_result=True)
def prune_browsers() -> None:
    """Forget browser sessions that are over."""
    browsers.prune()
