"""The Celery application: Redis where configured, else files in the data folder, so that no server is needed."""

import os
import time
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")

from django.conf import settings

from maestro_site import pulse


class SeenScheduler(PersistentScheduler):
    """Celery's own scheduler, which also says that it is alive."""

    _said = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if time.monotonic() - self._said >= pulse.PERIOD_S:
            pulse.beat("beat")
            self._said = time.monotonic()
        interval: float = super().tick(*args, **kwargs)
        return interval


@worker_ready.connect
def _ready(**_: Any) -> None:
    """A worker process says that it takes tasks, long before the schedule asks it."""
    pulse.beat("worker")


app = Celery("maestro")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    timezone="UTC",
    beat_scheduler=SeenScheduler,
    beat_schedule_filename=str(settings.DATA_DIR / "beat"),
    beat_max_loop_interval=5,
    # `expires`: after a pause a backlog of ticks must not be replayed.
    beat_schedule={
        "pulse": {"task": "maestro_site.pulse", "schedule": pulse.PERIOD_S, "options": {"expires": pulse.PERIOD_S}},
        "purge-deleted-sessions": {
            "task": "sessions_app.purge_deleted",
            "schedule": 30,
            "options": {"expires": 30},
        },
        "refresh-due-sessions": {
            "task": "sessions_app.refresh_due",
            "schedule": settings.MAESTRO.sessions.refresh_every_s,
            "options": {"expires": settings.MAESTRO.sessions.refresh_every_s},
        },
        "email-notices": {"task": "sessions_app.email_notices", "schedule": 60, "options": {"expires": 60}},
        "watch-sessions": {"task": "sessions_app.watch", "schedule": 300, "options": {"expires": 300}},
        "retire-dead-sessions": {"task": "sessions_app.retire_dead", "schedule": 3600, "options": {"expires": 3600}},
        "take-over-stale-streams": {
            "task": "context_app.take_over_stale_streams",
            "schedule": 15,
            "options": {"expires": 15},
        },
        "prune-chats": {"task": "context_app.prune", "schedule": 3600, "options": {"expires": 3600}},
        "prune-browsers": {"task": "maestro_site.prune_browsers", "schedule": 3600, "options": {"expires": 3600}},
    },
)
if settings.REDIS_URL:
    app.conf.broker_url = settings.REDIS_URL
else:
    _queue = settings.DATA_DIR / "queue"
    app.conf.broker_url = "filesystem://localhost"
    app.conf.broker_transport_options = {
        "data_folder_in": str(_queue / "in"),
        "data_folder_out": str(_queue / "in"),
        "control_folder": str(_queue / "control"),
        "store_processed": False,
        "polling_interval": 0.2,
    }
app.autodiscover_tasks(["maestro_site", "sessions_app", "context_app"])
