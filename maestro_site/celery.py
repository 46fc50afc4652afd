"""The Celery application, its schedule and the site's own tasks.

The broker is Redis where configured, else files in the data folder, so that no server is needed.
"""

import logging
import os
import time
from typing import Any

import redis
from celery import Celery, Task
from celery.app.amqp import AMQP
from celery.beat import PersistentScheduler
from celery.signals import beat_init, worker_init, worker_ready
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")

from django.conf import settings

from maestro_site import bootstrap, pulse, queue_files
from providers_app import request_id

with bootstrap.ending_in_one_line():
    settings.DATA_DIR  # noqa: B018 - reads the settings, which may be wrong

logger = logging.getLogger(__name__)

RECONNECT_S = 2
"""Longest pause, in seconds, between two attempts to reach a broker that is away."""


class _BrokerConnection(Connection):
    """A connection whose pauses between two attempts stay short; kombu's own grow to half a minute."""

    def _ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super()._ensure_connection(*args, **{**options, "interval_max": RECONNECT_S})


class _Amqp(AMQP):
    Connection = _BrokerConnection


class IdentifiedTask(Task):
    """A task whose log lines carry the id of the request that sent it, else one of its own."""

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, with the id of the request that is being served."""
        headers = {**(options.pop("headers", None) or {}), "request_id": request_id.current.get()}
        return super().apply_async(*args, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task."""
        sent = getattr(self.request, "request_id", None) or (self.request.headers or {}).get("request_id")
        token = request_id.begin(sent or "")
        try:
            return self.run(*args, **kwargs)
        finally:
            request_id.current.reset(token)


class PulsingScheduler(PersistentScheduler):
    """Celery's own scheduler, which also records that it is alive, and leaves tasks due while the broker is away."""

    _recorded = 0.0
    _away_since: float | None = None
    _refused = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, and return the seconds until the next call."""
        try:
            pulse.ping_broker()
        except (OSError, redis.RedisError) as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
                logger.warning("the schedule is paused: the broker does not answer (%s)", error)
            return RECONNECT_S / 2
        if self._away_since is not None:
            logger.warning("the schedule goes on after %.0f s", time.monotonic() - self._away_since)
            self._away_since = None
        if time.monotonic() - self._recorded >= pulse.PERIOD_S:
            pulse.beat("beat")
            self._recorded = time.monotonic()
        interval: float = super().tick(*args, **kwargs)
        return interval

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a task that is due. One that cannot be sent is not made up for: the next one comes in time."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, the schedule goes on
            if not self._refused:
                logger.error("scheduled tasks cannot be sent (%s); the schedule tries again", error)
            self._refused = True
        else:
            if self._refused:
                logger.warning("scheduled tasks are sent again")
            self._refused = False


@worker_init.connect
@beat_init.connect
def _end_unless_redis_takes_its_settings(**_: Any) -> None:
    """End a worker or a schedule that could only try for ever."""
    if sentence := pulse.refusal():
        raise SystemExit(f"error: {sentence}")


@worker_ready.connect
def _ready(**_: Any) -> None:
    """Record that a worker process takes tasks, long before the schedule sends it one, and publish what it does."""
    from maestro_site.monitoring import publisher  # needs Django's apps, which Celery loads after this module

    pulse.beat("worker")
    publisher.start("worker")


def _every(seconds: float, task: str) -> dict[str, Any]:
    """Return an entry of the schedule whose runs expire, so that a pause does not leave a backlog of them."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app = Celery("maestro", amqp=_Amqp, task_cls=IdentifiedTask)
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # for ever
    # No task here is acknowledged late, so there is none to cancel; Celery warns where this is not set.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    timezone="UTC",
    beat_scheduler=PulsingScheduler,
    beat_schedule_filename=str(settings.DATA_DIR / "beat"),
    beat_max_loop_interval=5,
    beat_schedule={
        "pulse": _every(pulse.PERIOD_S, "maestro_site.pulse"),
        "purge-deleted-sessions": _every(30, "sessions_app.purge_deleted"),
        "refresh-due-sessions": _every(settings.MAESTRO.sessions.refresh_every_s, "sessions_app.refresh_due"),
        "email-notices": _every(60, "sessions_app.email_notices"),
        "watch-sessions": _every(300, "sessions_app.watch"),
        "retire-dead-sessions": _every(3600, "sessions_app.retire_dead"),
        "take-over-stale-streams": _every(15, "context_app.take_over_stale_streams"),
        "prune-chats": _every(3600, "context_app.prune"),
        "prune-browsers": _every(3600, "maestro_site.prune_browsers"),
    },
)
if settings.REDIS_URL:
    app.conf.broker_url = settings.REDIS_URL
else:
    app.conf.broker_url = queue_files.register()
    app.conf.broker_transport_options = {
        queue_files.FOLDER: str(settings.DATA_DIR / "queue" / "in"),
        "polling_interval": 0.2,
    }
app.autodiscover_tasks(["sessions_app", "context_app"])


@app.task(name="maestro_site.pulse")
def beat_pulse() -> None:
    """Record that a worker took a task just now."""
    pulse.beat("worker")


@app.task(name="maestro_site.prune_browsers")
def prune_browsers() -> None:
    """Forget browser sessions that are over."""
    from maestro_site.accounts import browsers  # a model needs Django's apps, which Celery loads after this module

    browsers.prune()
