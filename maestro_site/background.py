"""Worker and schedule as threads of the one-process installation, started again when they end."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from celery.beat import Service
from celery.worker import WorkController

from maestro_site import pulse
from maestro_site.celery import PulsingScheduler, app

logger = logging.getLogger(__name__)

FIRST_S = 1.0
"""Seconds before the first restart; each further one waits twice as long."""
LONGEST_S = 30.0
STEADY_S = 60.0
"""Seconds after which a part counts as stable, and its restarts begin anew with ``FIRST_S``."""


class Part(Protocol):
    """Work on a thread: ``start`` returns when it has ended, ``stop`` asks it to end."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Supervisor:
    """One part on a thread of its own. ``make`` returns a new one for each start."""

    def __init__(self, name: str, make: Callable[[], Part]) -> None:
        self.name = name
        self._make = make
        self._part: Part | None = None
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"{name} watcher", daemon=True)

    def start(self) -> None:
        """Start the part, and start it again with back-off whenever it ends."""
        self._watcher.start()

    def stop(self) -> None:
        """Tell the part to stop, on a thread of its own; returns at once."""
        if not self._stopping.is_set():
            self._stopping.set()
            threading.Thread(target=self._stop, name=f"stop {self.name}", daemon=True).start()

    def join(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the end of the part."""
        self._watcher.join(timeout)

    def _watch(self) -> None:
        delay = FIRST_S
        while not self._stopping.is_set():
            begun = time.monotonic()
            # A thread for each run: the end of one, whatever ends it, is seen from here.
            run = threading.Thread(target=self._run, name=self.name, daemon=True)
            run.start()
            run.join()
            if self._stopping.is_set():
                return
            delay = FIRST_S if time.monotonic() - begun > STEADY_S else delay
            logger.error("the %s thread ended; it is started again in %.0f s", self.name, delay)
            self._stopping.wait(delay)
            delay = min(delay * 2, LONGEST_S)

    def _run(self) -> None:
        try:
            self._part = self._make()
            if not self._stopping.is_set():
                self._part.start()
        except OSError as error:  # the disk or the network: its text says enough
            logger.error("the %s failed: %s", self.name, error)
        except SystemExit:  # celery raises it to end a worker
            logger.debug("the %s asked for its end", self.name)
        except Exception:
            logger.exception("the %s failed", self.name)

    def _stop(self) -> None:
        try:
            if self._part is not None:
                self._part.stop()
        except Exception:
            logger.exception("the %s did not stop cleanly", self.name)


class Background:
    """Worker and schedule of this process. ``stop`` returns at once; ``join`` waits."""

    def __init__(self) -> None:
        self._worker = Supervisor("worker", _worker)
        self._beat = Supervisor("beat", _beat)

    def start(self) -> None:
        """Start both; ``/readyz`` reports them once the worker takes tasks and the schedule ticks."""
        pulse.forget("worker", "beat")
        self._worker.start()
        self._beat.start()

    def stop(self) -> None:
        """Tell both to stop; a running task ends by itself."""
        self._beat.stop()
        self._worker.stop()

    def join(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the worker's end. Its tasks are safe to run again."""
        self._worker.join(timeout)


def _beat() -> Any:
    app.set_current()  # of this thread
    return Service(app, max_interval=1, scheduler_cls=PulsingScheduler)


def _worker() -> Any:
    app.set_current()
    return WorkController(
        app=app,
        pool_cls="threads",
        concurrency=2,
        hostname="maestro@local",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        ready_callback=lambda consumer: pulse.beat("worker"),
    )
