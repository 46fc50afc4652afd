"""The table of exit codes in ``docs/operations.md``: each row is carried out, and each case has a row."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers_app import provider
from providers_app.errors import ConnectionFailed
from providers_app.types.events import StreamEnd, StreamStart
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from tests.processes import ROOT
from tests.unit.sessions.commands import Run

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


def imported(text: str, *arguments: str) -> Case:
    def case(run: Run, patch: pytest.MonkeyPatch, owner: User, folder: Path) -> Ended:
        (folder / "logins").write_text(text)
        return run("import_sessions", str(folder / "logins"), *arguments)

    return case


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
    ("models", "models are listed"): lambda run, *_: run("models", "try_demo"),
    ("models", "the provider's list is empty"): models(()),
    ("models", "no model passes the filters"): lambda run, *_: run("models", "try_demo", "--search", "zzz"),
    ("models", "the provider could not be asked"): models(ConnectionFailed("No network.")),
    ("refresh_tokens", "every session is well, or nothing is due"): refresh(),
    ("refresh_tokens", "a session needs a person; wins over 3"): refresh(status="needs_reauth"),
    ("refresh_tokens", "a refresh failed for now or its outcome is unknown"): refresh(
        refresh_error_code="refresh_failed", next_refresh_at=LATER
    ),
    ("refresh_tokens", "the session or provider is unknown"): refresh("--session", "nobody"),
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
    row: tuple[str, str], demo: AuthSession, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, stderr = ROWS[row]
    found, out, err = CASES[row](run, monkeypatch, demo.owner, tmp_path)
    assert found == code, (out, err)
    assert err.startswith(stderr) and bool(err) == bool(stderr)
