"""Start and stop the streams of a web process."""

import asyncio
import logging
from uuid import UUID

from context_app import markup_worker
from context_app.streams import pubsub, runtime
from context_app.streams.runner import SHUTDOWN
from providers_app import loop
from sessions_app.errors import StoreUnavailable
from sessions_app.stores.pool import in_store

logger = logging.getLogger(__name__)

FIRST_SCAN_S = 3.0
RUNNERS_S = 1.0
FLUSH_S = 1.0


async def startup() -> None:
    """Take over dead streams every ``spool_scan_s`` seconds; hear remote readers. Call it on the provider loop."""
    here = runtime.current()
    here.closing = False
    await asyncio.to_thread(markup_worker.start)
    try:
        async with asyncio.timeout(FIRST_SCAN_S):
            await _take_over()
    except TimeoutError:
        logger.warning("taking over the answers of dead processes takes long; it goes on in the background")
    loop.spawn(_scan(here.config.spool_scan_s), name="take over dead streams")
    loop.spawn(_listen_for_readers(here), name="listen for remote readers")


async def shutdown() -> None:
    """Close the sockets (1012), stop the runners, mark their streams as interrupted, flush spool and journal.

    Takes two seconds at most. What the database does not take in time stays in the spool for the next start.
    """
    here = runtime.current()
    stop_now()
    await here.runners_ended(RUNNERS_S)
    if not await asyncio.to_thread(here.stop, FLUSH_S):
        logger.warning("the database did not take everything; the next start reads it from the spool")
    runtime.replace(None)


def stop_now() -> None:
    """Refuse new turns, close the sockets and stop the runners; returns at once. For a signal, from any thread."""
    here = runtime.current()
    here.closing = True
    here.hub.publish({"type": "shutdown"})
    here.cancel_all(SHUTDOWN)


async def _scan(seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _take_over()


async def _take_over() -> None:
    try:
        await in_store(runtime.current().take_over)
    except StoreUnavailable as error:
        logger.warning("dead streams could not be looked for: %s", error.message)
    except Exception:
        logger.exception("taking over dead streams failed")


async def _listen_for_readers(here: runtime.Runtime) -> None:
    """Receive the announcements of readers in other processes; without one, no news is sent to them."""
    listener = pubsub.Listener(f"process.{here.process}", lambda message: _note(here, message))
    try:
        await asyncio.Event().wait()
    finally:
        await listener.close()


def _note(here: runtime.Runtime, message: dict[str, str]) -> None:
    try:
        here.note_interest(UUID(message["stream"]))
    except (KeyError, ValueError):
        logger.debug("a message to this process is of an unknown kind")
