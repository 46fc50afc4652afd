"""The table of exit codes in ``docs/operations.md``: each row is carried out, and each case has a row."""

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from maestro_site.monitoring import files
from maestro_site.monitoring.snapshots import Snapshot
from providers_app import provider
from providers_app.dispatch.states import CircuitState, States
from providers_app.errors import ConnectionFailed
from providers_app.registry.resolver import resolve
from providers_app.resilience.breaker import BreakerState
from providers_app.types.credentials import Secret
from providers_app.types.events import StreamEnd, StreamStart
from providers_app.types.tokens import Tokens
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from tests.processes import ROOT
from tests.unit.sessions.commands import Run
from tests.unit.sessions.refresh.support import make_login
from tests.unit.sessions.support import make

Ended = tuple[int, str, str]
Case = Callable[[Run, pytest.MonkeyPatch, User, Path], Ended]
ROWS = {
    (command, situation): (int(code), stderr.strip("` "))
    for command, situation, code, stderr in re.findall(
        r"^\| `(\w+)` \| (.+?) \| (\d+) \|(.*)\|$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
}
FIRST = StreamStart(model="demo-d0")


def chat(*arguments: str) -> Case:
    return lambda run, patch, owner, folder: run("chat", "try_demo", "Hello", *arguments)


def chat_of(*events: Any) -> Case:
    async def stream() -> AsyncIterator[Any]:
        for event in events:
            yield event

    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        patch.setattr(provider, "stream_chat", lambda *_, **__: stream())
        return run("chat", "try_demo", "Hello")

    return case


def models(listed: Iterable[Any] | Exception) -> Case:
    def of_session(session: AuthSession) -> list[Any]:
        if isinstance(listed, Exception):
            raise listed
        return list(listed)

    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        patch.setattr(terminal, "models_of", of_session)
        return run("models", "try_demo")

    return case


def refresh(*arguments: str, **login: Any) -> Case:
    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        if login:
            AuthSession.objects.create(owner=owner, provider="openai", auth_type="oauth", name="login", **login)
        return run("refresh_tokens", *arguments)

    return case


def held(*arguments: str, status: str = "active", **tokens: Any) -> Case:
    """A login with these tokens, which is not due."""

    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        make_login(owner, "login", due_in=None, provider="openai", status=status, **tokens)
        return run("refresh_tokens", *arguments)

    return case


def keyed(*arguments: str) -> Case:
    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        make(owner, "my_key", provider="openai")
        return run(*arguments)

    return case


def imported(text: str, *arguments: str) -> Case:
    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        (folder / "logins").write_text(text)
        return run("import_sessions", str(folder / "logins"), *arguments)

    return case


def dead_chat(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
    make_login(owner, "login", due_in=None, provider="openai", status="needs_reauth", expires_at=PAST)
    return run("chat", "login", "Hello", "--model", "gpt-5.6")


def health(*servers: States) -> Case:
    """The command beside a server of the data folder that told this."""

    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        now = time.time()
        with override_settings(DATA_DIR=folder):
            for states in servers:
                told = Snapshot(process="web-1", kind="web", started_at=now - 60, at=now, hour={}, states=states)
                files.publish(told, again=False)
            return run("health")

    return case


OPEN = CircuitState(provider="openai", session="s", model="m", state=BreakerState.OPEN, why="It fails.", failures=6)
PAST = time.time() - 3600
LATER = timezone.now() + timedelta(hours=1)
GOOD = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "k" * 30}
CASES: dict[tuple[str, str], Case] = {
    ("chat", "the answer is complete"): chat("--model", "demo-d0"),
    ("chat", "the provider ended the answer early: a limit of tokens, its filter"): chat_of(
        FIRST, StreamEnd(finish_reason="length", finish_reason_raw="length")
    ),
    ("chat", "the answer is complete and shows nothing"): chat_of(FIRST, StreamEnd(finish_reason="stop")),
    ("chat", "the answer was cut short; what was received is on stdout"): chat("--model", "demo-truncated-d0"),
    ("chat", "the request was refused, or not sent"): lambda run, *_: run("chat", "nobody", "Hello"),
    ("chat", "the login needs a new sign-in"): dead_chat,
    ("models", "the session is unknown"): lambda run, *_: run("models", "nobody"),
    ("models", "models are listed"): lambda run, *_: run("models", "try_demo"),
    ("models", "the provider's list is empty"): models(()),
    ("models", "no model passes the filters"): lambda run, *_: run("models", "try_demo", "--search", "zzz"),
    ("models", "the provider could not be asked"): models(ConnectionFailed("No network.")),
    ("refresh_tokens", "every session is well, or nothing is due"): refresh(),
    ("refresh_tokens", "a session needs a person; wins over 3"): refresh(status="needs_reauth"),
    ("refresh_tokens", "a refresh failed for now or its outcome is unknown"): refresh(
        refresh_error_code="refresh_failed", next_refresh_at=LATER
    ),
    ("refresh_tokens", "a login without a refresh token has ended"): held(refresh=Secret(""), expires_at=PAST),
    ("refresh_tokens", "a session holds no tokens any more"): refresh("--session", "login", status="needs_reauth"),
    ("refresh_tokens", "`--session` names one that is switched off"): held("--session", "login", status="disabled"),
    ("refresh_tokens", "an access token has ended, and the provider does not allow a refresh yet"): held(
        "--all", expires_at=PAST, earliest_refresh_at=LATER.timestamp()
    ),
    ("refresh_tokens", "`--session` names a key, not a sign-in"): keyed("refresh_tokens", "--session", "my_key"),
    ("refresh_tokens", "the session or provider is unknown"): refresh("--session", "nobody"),
    ("health", "all is well"): health(States()),
    ("health", "a circuit is open or half-open"): health(States(circuits=(OPEN,))),
    ("health", "no server or worker of this data folder has told anything lately"): health(),
    ("import_sessions", "logins are stored, or were before; stdout names those left out"): imported(
        f"OPENAI_API_KEY={GOOD['api_key']}\nGEMINI_API_KEY="
    ),
    ("import_sessions", "no login could be imported; stdout says why"): imported("OPENAI_API_KEY=sk-..."),
    ("import_sessions", "a table has rows that cannot be imported, without `--skip`"): imported(
        json.dumps([GOOD, GOOD | {"provider": "unheard"}])
    ),
    ("import_sessions", "the file cannot be read"): lambda run, *_: run("import_sessions", "/no/such/file"),
}


def test_each_row_has_a_case_and_each_case_a_row() -> None:
    assert set(ROWS) == set(CASES)


@pytest.mark.parametrize("row", CASES, ids=lambda row: f"{row[0]}: {row[1][:40]}")
def test_a_command_ends_as_the_table_says(
    row: tuple[str, str],
    demo: AuthSession,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    code, stderr = ROWS[row]
    found, out, err = CASES[row](run, monkeypatch, demo.owner, tmp_path)
    assert found == code, (out, err)
    assert err.startswith(stderr) and bool(err) == bool(stderr)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("status", "columns", "code"),
    [
        ("active", {"refresh_error_code": "refresh_failed", "next_refresh_at": LATER, "refresh_attempts": 1}, 3),
        ("needs_reauth", {"refresh_error_code": "answer_lost"}, 1),
        ("active", {}, 0),
    ],
    ids=["failed for now", "dead", "well"],
)
def test_each_way_to_ask_for_a_login_ends_with_the_same_code(
    demo: AuthSession, run: Run, status: str, columns: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each names the login once; only ``--json`` says it in another form."""

    async def answer(self: Any, tokens: Tokens, http: Any) -> Tokens:
        if code:
            raise ConnectionFailed("No network.")
        return msgspec.structs.replace(tokens, refresh=Secret("newer"))

    session = make_login(demo.owner, "login", due_in=None, provider="openai", status=status)
    AuthSession.objects.filter(pk=session.pk).update(**columns)
    monkeypatch.setattr(type(resolve("openai", "oauth")), "refresh", answer)
    for which in ((), ("--session", "login"), ("--all",)):
        for form in ((), ("--json",)):
            found, out, err = run("refresh_tokens", *which, *form)
            assert found == code, (which, form, out, err)
            assert out.count("openai/oauth:login") == (0 if not which and not code else 1)
