"""The process from which the crash proof forks: ``python -m tests.proofs.crash_worker``.

It sets Django up once and then forks a process of its own for each line it reads, ``{"id", "session", "token_url",
"trigger", "die"}``; no thread and no connection exists before the fork. The child refreshes the session and writes one
line with its report. With ``die`` it ends itself with SIGKILL at that point instead: the points wrap the store here, in
test code; the product has no such switch. After each child its exit code is written.
"""

import importlib
import os
import signal
from typing import Any

from tests.proofs.zygote import say, serve

BEFORE_CLAIM, AFTER_CLAIM, AFTER_INTENT = "before claim", "after claim", "after intent"
DURING_POST, AFTER_ANSWER, AFTER_STORE = "during the POST", "after the answer", "after the store"
POINTS = (BEFORE_CLAIM, AFTER_CLAIM, AFTER_INTENT, DURING_POST, AFTER_ANSWER, AFTER_STORE)


def die() -> None:
    """As a power cut would: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore:
    """The store of the product, around which this process dies at one point.

    ``during the POST`` is not here: that child waits for an answer that never comes, and is killed from outside once
    the server has spent its token.
    """

    def __init__(self, store: Any, point: str) -> None:
        self._store, self._point = store, point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        if self._point == BEFORE_CLAIM:
            die()
        found = await self._store.claim(*args, **kwargs)
        if self._point == AFTER_CLAIM:
            die()
        return found

    async def write_intent(self, *args: Any) -> Any:
        found = await self._store.write_intent(*args)
        if self._point == AFTER_INTENT:
            die()
        return found

    async def keep(self, *args: Any) -> Any:
        if self._point == AFTER_ANSWER:
            die()
        found = await self._store.keep(*args)
        if self._point == AFTER_STORE:
            die()
        return found


def refresh(order: dict[str, Any]) -> dict[str, Any]:
    """One refresh in this process."""
    from providers_app import conf, loop, ports
    from providers_app.refresh.service import refresh_session

    config = conf.current()
    oauth = config.anthropic.oauth.model_copy(update={"token_url": order["token_url"]})  # type: ignore[attr-defined]
    anthropic = config.anthropic.model_copy(update={"oauth": oauth})  # type: ignore[attr-defined]
    conf.configure(config.model_copy(update={"anthropic": anthropic}))
    if order.get("die"):
        ports.install(refreshes=DyingStore(ports.refresh_store(), order["die"]))
    report = loop.run(refresh_session(order["session"], trigger=order["trigger"]), 60)
    return {"done": report.done, "why": report.why, "code": report.code, "generation": report.generation}


def child(order: dict[str, Any]) -> None:
    """What the forked process does; it never returns."""
    code = 1
    try:
        say({"id": order["id"], "pid": os.getpid()})
        say({"id": order["id"], "report": refresh(order)})
        code = 0
    except BaseException as error:
        say({"id": order["id"], "report": {"done": "error", "why": repr(error)[:500], "code": "", "generation": -1}})
    finally:
        os._exit(code)


def preload() -> None:
    """Import before the fork what every child needs, so that a child is quick even on a busy machine."""
    for name in ("providers_app.dispatch.clients", "providers_app.wire.engine", "sessions_app.stores.refreshes"):
        importlib.import_module(name)
    from providers_app.registry.resolver import resolve

    assert resolve("anthropic", "oauth").flows


def main() -> None:
    import django

    django.setup()
    from django.db import connections

    from maestro_site import bootstrap

    bootstrap.prepare_key_ring()
    connections.close_all()
    preload()
    serve(child)


if __name__ == "__main__":
    main()
