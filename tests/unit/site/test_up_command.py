"""``manage.py up``: what it refuses, what it stops at a signal, and what it says once everything answers."""

import io
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError

from maestro_site import background
from maestro_site.accounts import welcome
from maestro_site.management.commands import up

STOPPING = threading.Event()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order; nothing is really started."""
    found: list[str] = []

    class Background:
        def start(self) -> None:
            found.append("background started")

        def stop(self) -> None:
            found.append("background stopped")

        def join(self, timeout: float) -> None:
            found.append("background joined")

    def serve(sock: Any, stopping: Any, *, on_stop: Any, on_start: Any) -> None:
        found.append("served")
        on_start(stopping)
        on_stop()

    monkeypatch.setattr(background, "Background", Background)
    monkeypatch.setattr(up.server, "serve", serve)
    monkeypatch.setattr(up.context_lifespan, "stop_now", lambda: found.append("streams stopped"))
    monkeypatch.setattr(up.connections, "close_all", lambda: None)
    return found


def command() -> Any:
    return up.Command(stdout=io.StringIO(), stderr=io.StringIO())


def announced(steps: list[str]) -> Any:
    return lambda stop: steps.append("announced")


def test_a_signal_stops_answers_worker_and_schedule_at_once(steps: list[str]) -> None:
    command()._serve(None, STOPPING, announced(steps), alone=False)
    assert steps == [
        "background started", "served", "announced", "streams stopped", "background stopped", "background stopped",
        "background joined",
    ]  # fmt: skip


def test_a_server_alone_has_neither_worker_nor_schedule(steps: list[str]) -> None:
    command()._serve(None, STOPPING, announced(steps), alone=True)
    assert steps == ["served", "announced", "streams stopped"]


def test_worker_and_schedule_end_even_where_the_server_breaks(steps: list[str], monkeypatch: Any) -> None:
    def broken(*args: Any, **given: Any) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(up.server, "serve", broken)
    with pytest.raises(SystemExit):
        command()._serve(None, STOPPING, announced(steps), alone=False)
    assert steps == ["background started", "background stopped", "background joined"]


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_that_is_none_is_refused(steps: list[str], port: int) -> None:
    with pytest.raises(CommandError, match="between 1 and 65535"):
        command().handle(host="127.0.0.1", port=port, web_only=False, processes=False)
    with pytest.raises(CommandError, match="an address or a name"):
        command().handle(host="", port=8000, web_only=False, processes=False)


@pytest.fixture
def handled(steps: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    settings.ALLOWED_HOSTS = ["localhost"]
    sock = SimpleNamespace(close=lambda: steps.append("socket closed"))
    monkeypatch.setattr(up.server, "catch_signals", lambda: STOPPING)
    monkeypatch.setattr(up.server, "listen", lambda host, port: steps.append(f"listening {host}:{port}") or sock)
    monkeypatch.setattr(up.welcome, "serving", lambda base, alone: steps.append(f"{base} {alone}") or nullcontext())
    monkeypatch.setattr(up.files, "clean", lambda: steps.append("cleaned"))
    monkeypatch.setattr(up.server, "run_processes", lambda *args: steps.append("processes") or 7)
    monkeypatch.setattr(up.Command, "_announce", lambda *args, **given: steps.append("announced"))

    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(up.os, "_exit", end)
    return steps


@pytest.mark.parametrize("port", [1, 65535])
def test_it_serves_and_ends_without_waiting_for_threads(handled: list[str], settings: Any, port: int) -> None:
    with pytest.raises(SystemExit) as ended:
        command().handle(host="0.0.0.0", port=port, web_only=False, processes=False)
    assert ended.value.code == 0 and settings.ALLOWED_HOSTS == ["localhost", "127.0.0.1"]
    assert handled[:5] == [
        f"http://127.0.0.1:{port} False", f"listening 0.0.0.0:{port}", "cleaned", "background started", "served",
    ]  # fmt: skip
    assert "announced" in handled


def test_a_server_alone_cleans_and_announces_nothing(handled: list[str]) -> None:
    with pytest.raises(SystemExit):
        command().handle(host="127.0.0.1", port=8000, web_only=True, processes=False)
    assert handled == ["http://127.0.0.1:8000 True", "listening 127.0.0.1:8000", "served", "streams stopped"]


def test_processes_get_the_port_and_their_exit_code_counts(handled: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command().handle(host="127.0.0.1", port=8000, web_only=False, processes=True)
    assert ended.value.code == 7 and handled[-2:] == ["socket closed", "processes"]


def said(monkeypatch: pytest.MonkeyPatch, ready: list[bool], *, wildcard: bool = False) -> tuple[str, str]:
    made, answers = command(), iter(ready)
    stop = threading.Event()

    def wait(base: str, event: threading.Event) -> bool:
        answer = next(answers, None)
        if answer is None:
            event.set()
        return bool(answer)

    monkeypatch.setattr(up.server, "wait_ready", wait)
    made._announce("http://127.0.0.1:8000", stop, wildcard=wildcard)
    return made.stdout._out.getvalue(), made.stderr._out.getvalue()


@pytest.fixture
def link(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up.welcome, "ensure_owner", lambda: None)
    monkeypatch.setattr(up.welcome, "create", lambda owner: "the-token")


@pytest.mark.usefixtures("link")
def test_once_everything_answers_it_prints_the_link_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, [True]) == ("Open http://127.0.0.1:8000/welcome/the-token\n", "")


@pytest.mark.usefixtures("link")
def test_what_is_missing_after_a_minute_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = said(monkeypatch, [False, False, True])
    assert out.startswith("Open ") and err.count("not ready after a minute") == 1 and "/readyz" in err


@pytest.mark.usefixtures("link")
def test_where_it_listens_on_every_address_its_names_are_said(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "maestro.example"]
    assert "It answers to localhost, maestro.example;" in said(monkeypatch, [True], wildcard=True)[1]


@pytest.mark.usefixtures("link")
def test_a_stop_before_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, []) == ("", "")


def test_without_a_link_it_says_why_and_where_it_runs(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise welcome.WelcomeError("The owner is disabled.")

    monkeypatch.setattr(up.welcome, "ensure_owner", refuse)
    out, err = said(monkeypatch, [True])
    assert out == "" and err == (
        "error: Maestro runs at http://127.0.0.1:8000, but there is no sign-in link: The owner is disabled.\n"
    )
