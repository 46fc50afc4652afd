"""The process from which the proof of outcomes forks: ``python -m tests.proofs.outcome_worker``.

An order names a session and the steps of one process: refreshes, steps of the clock, questions about the state. At the
points of a refresh the process may end itself (SIGKILL), stop itself (SIGSTOP, until the one who gave the order lets it
go on) or let the clock of its machine jump. The points wrap the store and the HTTP client here, in test code. Of each
thing that it does it says the time (``time.monotonic()``, which is the same in all processes).
"""

import asyncio
import faulthandler
import gc
import importlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from tests.proofs.crash_worker import AFTER_ANSWER, AFTER_CLAIM, AFTER_INTENT, AFTER_STORE, BEFORE_CLAIM, DURING_POST
from tests.proofs.outcome_words import command, look, page
from tests.proofs.zygote import say, serve

SENDING, CHECKED = "before the send", "after the last check"
PROCESS = "x-proof-process"
UNDER_WAY_S = 0.15


class Process:
    """One order under way."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.at: dict[str, Any] = {}

    def tell(self, event: str, **facts: Any) -> None:
        say({"id": self.order["id"], "event": event, "at": time.monotonic(), **facts})

    def reach(self, point: str) -> None:
        """What the step has for this point, once."""
        what = self.at.pop(point, None)
        if what is None:
            return
        if isinstance(what, (int, float)):
            self.turn_clock(what)
        elif what == "die":
            self.tell("dies", point=point)
            signal.pthread_kill(threading.get_ident(), signal.SIGKILL)
        else:
            self.tell("stops", point=point)
            # To this thread: one for the process may be taken by another, and this one goes on for a moment.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            self.tell("goes on", point=point)

    def turn_clock(self, seconds: float) -> None:
        """Let the wall clock of the machine jump; ``time.monotonic`` goes on as it was."""
        file = Path(self.order["clock"])
        new = file.with_suffix(".new")
        new.write_text(f"{float(file.read_text()) + seconds:+.3f}\n")
        new.replace(file)
        self.tell("clock", seconds=seconds)

    def rest(self) -> None:
        """Do nothing until the one who gave the order has let time pass."""
        file = Path(self.order["clock"]).with_suffix(".passed")
        before = file.read_text()
        self.tell("waits")
        while file.read_text() == before:
            _sleep(0.02)


class WatchedStore:
    """The store of the product with the points around its steps."""

    def __init__(self, store: Any, process: Process) -> None:
        self._store, self._process = store, process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        self._process.reach(BEFORE_CLAIM)
        found = await self._store.claim(*args, **kwargs)
        if hasattr(found, "lease"):
            self._process.tell("claims")
            self._process.reach(AFTER_CLAIM)
        elif not found.resting:
            self._process.tell("waits")
        return found

    async def write_intent(self, *args: Any) -> Any:
        at = time.monotonic()
        found = await self._store.write_intent(*args)
        if found is not None:
            self._process.tell("intent", begun=at)
        self._process.reach(AFTER_INTENT)
        return found

    async def keep(self, *args: Any) -> Any:
        self._process.reach(AFTER_ANSWER)
        found = await self._store.keep(*args)
        if found is not None:
            self._process.tell("kept", generation=found.generation)
        self._process.reach(AFTER_STORE)
        return found

    async def fail(self, claim: Any, failure: Any) -> None:
        self._process.reach(AFTER_ANSWER)
        await self._store.fail(claim, failure)
        self._process.tell("failed", spent=failure.spent, code=failure.code, reason=failure.reason)
        self._process.reach(AFTER_STORE)


def watch_requests(process: Process) -> None:
    """Wrap the client: only requests to a token endpoint ask for a connection of their own."""
    import msgspec

    from providers_app.refresh import clock
    from providers_app.wire.client import Http

    send, last_check = Http.send, clock.last_check

    async def watched(self: Any, request: Any, **options: Any) -> Any:
        if not options.get("fresh"):
            return await send(self, request, **options)
        process.reach(SENDING)
        process.tell("sends")
        headers = {**request.headers, PROCESS: process.order["process"]}
        work = asyncio.ensure_future(send(self, msgspec.structs.replace(request, headers=headers), **options))
        try:
            if DURING_POST in process.at:
                await asyncio.wait({work}, timeout=UNDER_WAY_S)
                process.reach(DURING_POST)
            answer = await work
        except BaseException as error:
            process.tell("no answer", why=type(error).__name__)
            raise
        process.tell("answer", status=answer.status)
        return answer

    def watched_check(*args: Any) -> Callable[[], None]:
        check, calls = last_check(*args), count(1)

        def checked() -> None:
            check()
            if next(calls) > 1:  # the first one is made before the connection
                process.reach(CHECKED)

        return checked

    Http.send = watched  # type: ignore[method-assign]
    clock.last_check = watched_check  # type: ignore[assignment]


def refresh(process: Process, trigger: str) -> dict[str, Any]:
    """Refresh as that caller does, and return the report."""
    from providers_app import loop
    from providers_app.refresh.service import refresh_session

    if trigger in ("use", "unauthorized"):
        return use(process, refused=trigger == "unauthorized")
    report = loop.run(refresh_session(process.order["session"], trigger=trigger))  # type: ignore[arg-type]
    return {"done": report.done, "why": report.why[:200], "code": report.code, "generation": report.generation}


def use(process: Process, *, refused: bool) -> dict[str, Any]:
    """A request with the session, whose access token the provider takes, or refuses."""
    from providers_app import errors, loop
    from providers_app.dispatch.credentials import open_session
    from providers_app.ports import SYSTEM

    async def call() -> None:
        client = await open_session(SYSTEM, process.order["provider"], process.order["session"])
        first: list[str] = []

        async def work(session: Any, credential: Any) -> None:
            token = credential.secret.reveal()
            first.append(token)
            if refused and token == first[0]:
                raise errors.AuthenticationFailed("The access token is not accepted.")

        await client.call(work)

    try:
        loop.run(call())
    except errors.ProviderError as error:
        return {"done": "raised", "why": error.message[:200], "code": error.code}
    return {"done": "used", "why": "", "code": ""}


def configure(settings: list[list[str]], timeout: float) -> None:
    """Let these settings hold in this process: provider, dotted name, value; and the time for a token request."""
    from providers_app import conf

    config = conf.current().model_copy(update={"refresh_timeout_s": timeout})
    for provider, dotted, value in settings:
        mine: Any = getattr(config, provider)
        part, _, name = dotted.partition(".")
        inner = getattr(mine, part).model_copy(update={name: value})
        config = config.model_copy(update={provider: mine.model_copy(update={part: inner})})
    conf.configure(config)


def start_clock(file: str) -> None:
    """Let this process be one that starts now, by the wall clock of this file; ``.passed`` beside it holds the seconds
    that went by on the machine beyond the real ones."""
    os.environ["FAKETIME_TIMESTAMP_FILE"] = file
    real, passed = time.clock_gettime, Path(file).with_suffix(".passed")

    def clock_gettime(which: int) -> float:
        return real(which) + (float(passed.read_text()) if which == time.CLOCK_BOOTTIME else 0.0)

    time.clock_gettime = clock_gettime
    importlib.reload(importlib.import_module("providers_app.refresh.clock"))


def carry_out(order: dict[str, Any]) -> None:
    from providers_app import ports
    from sessions_app.stores.sessions import outcome_queue

    start_clock(order["clock"])
    faulthandler.register(signal.SIGUSR1)
    process = Process(order)
    configure(order["settings"], order["timeout"])
    ports.install(refreshes=WatchedStore(ports.refresh_store(), process))
    watch_requests(process)
    asks = {"command": command, "look": look, "page": page}
    for number, step in enumerate(order["steps"]):
        process.at = dict(step.get("at", {}))
        if step["do"] == "clock":
            process.turn_clock(step["seconds"])
        elif step["do"] == "rest":
            process.rest()
        else:
            facts = asks[step["do"]](order["session"]) if step["do"] in asks else refresh(process, step["do"])
            outcome_queue.flush()
            process.tell("step", number=number, do=step["do"], **facts)


def child(order: dict[str, Any]) -> None:
    """What the forked process does; it never returns."""
    code = 1
    try:
        say({"id": order["id"], "event": "begins", "at": time.monotonic(), "pid": os.getpid()})
        carry_out(order)
        code = 0
    except BaseException as error:
        say({"id": order["id"], "event": "broke", "at": time.monotonic(), "why": repr(error)[:600]})
    finally:
        os._exit(code)


def _sleep(seconds: float) -> None:
    """``time.sleep`` under a library that fakes the clock refuses its absolute times (EINVAL); this one waits."""
    select.select([], [], [], max(seconds, 0.0))


def preload() -> None:
    """Import before the fork what every child needs."""
    for name in (
        "providers_app.dispatch.clients",
        "providers_app.dispatch.credentials",
        "providers_app.wire.engine",
        "sessions_app.stores.refreshes",
        "sessions_app.management.commands.refresh_tokens",
        "sessions_app.presenters.status",
        "maestro_site.urls",
        "django.test",
    ):
        importlib.import_module(name)
    from providers_app.registry.resolver import resolve

    for slug in ("anthropic", "openai", "gemini", "vertex_ai", "azure_openai"):
        assert resolve(slug, "oauth").flows


def main() -> None:
    import django

    time.sleep = _sleep  # type: ignore[assignment]
    django.setup()
    from django.db import connections

    from maestro_site import bootstrap

    bootstrap.prepare_key_ring()
    preload()
    connections.close_all()
    gc.freeze()  # what is not collected is not copied
    serve(child)


if __name__ == "__main__":
    main()
