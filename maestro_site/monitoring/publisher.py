"""Takes the snapshots of this process, leaves them for the others, and closes circuits that a person closed elsewhere.

``serve`` runs as long as a server does; a command or a script only leaves its counts when it ends.
"""

import asyncio
import logging
import os
import re
import secrets
import socket
import threading
import time
from functools import partial

from django.conf import settings

from maestro_site.datadir import DataDirError
from maestro_site.monitoring import files
from maestro_site.monitoring.overview import Overview, overview
from maestro_site.monitoring.snapshots import (
    BLOCKED,
    COST,
    LATENESS,
    Hour,
    Snapshot,
    dispatcher,
    streams,
    tokens_by_model,
)
from providers_app import loop, measures
from providers_app.dispatch import states
from providers_app.listing import models as listing
from providers_app.loop.lateness import Monitor
from providers_app.measures import Sample
from providers_app.model_data.library import facts
from providers_app.types.catalogue import ModelInfo

logger = logging.getLogger("maestro.monitoring")

ANSWER_S = 2.0
"""Seconds that the event loop has to tell a page what it knows."""
MILLION = 1_000_000


class Publisher:
    """The publisher of this process."""

    def __init__(self) -> None:
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32]
        self.process = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self.kind = "command"
        self.monitor: Monitor | None = None
        self._started_at = time.time()
        self._hour = Hour()
        self._published = False
        self._followed: set[str] = set()
        self._pricing = threading.Lock()
        self._priced: dict[tuple[str, str, str], dict[str, float]] = {}
        self._cost: dict[tuple[str, str, str], float] = {}

    async def serve(self, kind: str) -> None:
        """Publish every ``health_check_interval_seconds`` until it is cancelled. Call it on the provider loop."""
        config = settings.MAESTRO.monitoring
        self.kind = kind
        self.monitor = Monitor(config.max_lateness_ms / 1000, _count_lateness)
        self.monitor.start()
        try:
            while True:
                try:
                    await self.publish()
                except (OSError, DataDirError) as error:
                    logger.debug("the state of this process cannot be published (%s)", error)
                except Exception:
                    logger.exception("the state of this process cannot be published")
                await asyncio.sleep(config.health_check_interval_seconds)
        finally:
            self.monitor.stop()

    async def publish(self) -> None:
        """Follow the orders of people, and leave a snapshot. Raises ``OSError``. Call it on the provider loop."""
        for order in await asyncio.to_thread(files.orders):
            if order.id not in self._followed and order.at >= self._started_at:
                self._followed.add(order.id)
                states.close(order.provider, order.session, order.model)
        snapshot = await self.take()
        if not await asyncio.to_thread(partial(files.publish, snapshot, again=self._published)):
            # This process was silent for so long that its counts were kept without it.
            measures.here.clear()
            self._hour, self._priced, self._cost, self._published = Hour(), {}, {}, False
            return
        self._published = True
        await asyncio.to_thread(files.keep_silent)

    async def take(self) -> Snapshot:
        """Return the values of this process now. Call it on the provider loop."""
        sample, dispatch = dispatcher()
        now, (running, lag_s) = time.time(), streams()
        self._hour.add(sample, now)
        await asyncio.to_thread(self._add_cost, sample)
        monitor = self.monitor
        return Snapshot(
            process=self.process,
            kind=self.kind,
            started_at=self._started_at,
            at=now,
            sample=sample,
            states=dispatch,
            hour=self._hour.recent(now),
            late_s=monitor.worst_s() if monitor is not None else 0.0,
            blocked=monitor.blocked if monitor is not None else 0,
            live_streams=running,
            journal_lag_s=lag_s,
        )

    def close(self, provider: str, session: str, model: str) -> None:
        """Close a circuit here now, and in other processes with their next snapshot. Call it off the loop.

        Raises ``OSError``, where other processes cannot be told.
        """

        async def here() -> None:
            states.close(provider, session, model)

        loop.run(here(), 10)
        self._followed.add(files.order(provider, session, model).id)

    def leave(self) -> None:
        """Keep the counts of this process, which ends, where it counted anything. Never raises."""
        sample = measures.here.snapshot()
        if not sample.counters and not self._published:
            return
        try:
            self._add_cost(sample)
            now = time.time()
            end = Snapshot(process=self.process, kind=self.kind, started_at=self._started_at, at=now, sample=sample)
            files.leave(end)
        except (OSError, DataDirError) as error:
            logger.debug("the counts of this process cannot be kept (%s)", error)
        measures.here.clear()
        self._published = False

    def _add_cost(self, sample: Sample) -> None:
        """Add the cost of the tokens that came since the last call, at the price of now. May read files."""
        with self._pricing:
            for labels, tokens in tokens_by_model(sample).items():
                before = self._priced.setdefault(labels, {})
                # A sample that is older than the last one has nothing to add.
                grown = {kind: max(0.0, count - before.get(kind, 0)) for kind, count in tokens.items()}
                if any(grown.values()) and (cost := _cost_of(grown, _price_of(*labels))) is not None:
                    self._cost[labels] = self._cost.get(labels, 0.0) + cost
                for kind, count in grown.items():
                    before[kind] = before.get(kind, 0) + count
            sample.counters.update({(COST.name, *labels): dollars for labels, dollars in self._cost.items()})


def _count_lateness(late_s: float, blocked: bool) -> None:
    measures.here.observe(LATENESS, seconds=late_s)
    if blocked:
        measures.here.count(BLOCKED)


def _price_of(provider: str, session: str, model: str) -> ModelInfo | None:
    """Return what is known of a model: as the session's list has it, else as the library does."""
    listed = listing.cached(session)
    found = next((each for each in listed.models if each.id == model), None) if listed is not None else None
    return found or facts(provider, model)


def _cost_of(tokens: dict[str, float], info: ModelInfo | None) -> float | None:
    """Return dollars, ``None`` where no price is known. Cached tokens without a price of their own cost as others."""
    if info is None or info.input_price is None or info.output_price is None:
        return None
    cached, written = tokens.get("cached_input", 0), tokens.get("cache_write", 0)
    plain = max(0.0, tokens.get("input", 0) - cached - written)
    per_million = (
        plain * info.input_price
        + cached * (info.input_price if info.cached_input_price is None else info.cached_input_price)
        + written * (info.input_price if info.cache_write_price is None else info.cache_write_price)
        + tokens.get("output", 0) * info.output_price
    )
    return per_million / MILLION


here = Publisher()
"""The publisher of this process."""


def looked() -> Overview:
    """Return all processes as of now; without this one where its loop does not answer in time. Call it off the loop."""
    try:
        return overview(loop.run(here.take(), ANSWER_S))
    except TimeoutError:
        return overview()


def start(kind: str) -> None:
    """Begin to publish this process, from any thread."""
    global here
    here = Publisher()  # a worker may have been forked after the import
    loop.spawn(here.serve(kind), name="monitoring")
