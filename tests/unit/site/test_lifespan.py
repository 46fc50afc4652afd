"""The lifespan of a web process: in which order its parts begin and end, and what is said of either."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from maestro_site import asgi
from sessions_app import crypto


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order."""
    found: list[str] = []

    def does(name: str, *, answer: Any = None) -> Callable[..., Any]:
        def do(*args: Any, **given: Any) -> Any:
            found.append(name)
            return answer

        return do

    def awaits(name: str) -> Callable[..., Any]:
        async def do(*args: Any, **given: Any) -> None:
            found.append(name)

        return do

    monkeypatch.setattr(asgi.provider_loop, "attach", does("loop attached"))
    monkeypatch.setattr(asgi.provider_loop, "shutdown", awaits("loop closed"))
    monkeypatch.setattr(asgi.context_lifespan, "startup", awaits("streams started"))
    monkeypatch.setattr(asgi.context_lifespan, "shutdown", awaits("streams stopped"))
    monkeypatch.setattr(asgi.publisher, "start", does("published"))
    monkeypatch.setattr(asgi.publisher.here, "leave", does("left"))
    monkeypatch.setattr(asgi.outcome_queue, "flush", does("outcomes written", answer=True))
    monkeypatch.setattr(asgi, "_prepare", does("prepared"))
    return found


async def serve(steps: list[str]) -> list[dict[str, Any]]:
    """Start and stop the process; returns what it said."""
    said: list[dict[str, Any]] = []
    asked = iter(("startup", "shutdown"))

    async def receive() -> dict[str, Any]:
        kind = next(asked)
        steps.append(f"asked: {kind}")
        return {"type": f"lifespan.{kind}"}

    async def send(message: dict[str, Any]) -> None:
        steps.append(message["type"])
        said.append(message)

    await asgi.serve_lifespan(receive, send)
    return said


STARTED = ["asked: startup", "loop attached", "streams started", "published", "lifespan.startup.complete"]
STOPPED = [
    "asked: shutdown", "streams stopped", "loop closed", "left", "outcomes written", "lifespan.shutdown.complete",
]  # fmt: skip


async def test_streams_end_before_the_connections_that_they_use(steps: list[str]) -> None:
    await serve(steps)
    assert steps == [*STARTED, *STOPPED]


async def test_a_server_that_did_not_pass_through_manage_py_is_prepared(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto, "configured", lambda: False)
    await serve(steps)
    assert steps == [STARTED[0], "prepared", *STARTED[1:], *STOPPED]


async def test_outcomes_that_could_not_be_written_are_said_and_the_process_ends(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asgi.outcome_queue, "flush", lambda seconds: False)
    said = await serve(steps)
    assert said[-1] == {"type": "lifespan.shutdown.complete"} and "could not be written" in caplog.text


async def test_a_start_that_fails_is_said_and_nothing_is_waited_for(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("no room")

    monkeypatch.setattr(asgi.context_lifespan, "startup", fail)
    with caplog.at_level(logging.ERROR):
        said = await serve(steps)
    assert said == [{"type": "lifespan.startup.failed", "message": "no room"}]
    assert "asked: shutdown" not in steps and "start-up failed" in caplog.text
