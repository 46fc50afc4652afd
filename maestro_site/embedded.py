"""The parts of the one-process installation besides the web server: a Celery worker thread and a beat thread."""

import logging
import threading
from typing import Any

from celery.beat import EmbeddedService
from celery.worker import WorkController

from maestro_site import pulse
from maestro_site.celery import SeenScheduler, app

logger = logging.getLogger(__name__)


class Background:
    """Worker and beat in threads of this process. ``stop`` returns at once; ``join`` waits."""

    def __init__(self) -> None:
        self._worker: Any = WorkController(
            app=app,
            pool_cls="threads",
            concurrency=2,
            hostname="maestro@local",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=lambda consumer: pulse.beat("worker"),
        )
        self._beat: Any = EmbeddedService(app, thread=True, max_interval=1, scheduler_cls=SeenScheduler)
        self._thread = threading.Thread(target=self._run_worker, name="worker", daemon=True)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start both; ``/readyz`` sees them once the worker takes tasks and the schedule ticks."""
        pulse.forget("worker")
        pulse.forget("beat")
        self._thread.start()
        self._beat.start()

    def stop(self) -> None:
        """Tell both to stop; a running task ends by itself."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        threading.Thread(target=self._beat.stop, name="stop-beat", daemon=True).start()
        threading.Thread(target=self._stop_worker, name="stop-worker", daemon=True).start()

    def join(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the worker's end. Its tasks are safe to run again, so nothing is lost."""
        self._thread.join(timeout)

    def _run_worker(self) -> None:
        try:
            self._worker.start()
        except Exception:
            logger.exception("the worker thread ended")

    def _stop_worker(self) -> None:
        try:
            self._worker.stop()
        except Exception:
            logger.exception("the worker did not stop cleanly")
