"""`manage.py chat`: what it prints, what it refuses, how it ends."""

import asyncio
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from providers_app import loop, provider
from providers_app.streaming import parse_stream
from providers_app.types.credentials import Secret
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle
from tests.processes import ROOT, environment
from tests.unit.sessions.commands import Run
from tests.unit.sessions.support import make


def test_chat_prints_the_answer_and_ends_with_zero(demo: AuthSession, run: Run) -> None:
    for arguments, stdin in ((("Hello",), ""), (("-",), "Hello"), ((), "Hello")):
        code, out, err = run("chat", "try_demo", *arguments, "--model", "demo-d0", stdin=stdin)
        assert code == 0 and len(out) > 10 and out.endswith("\n") and err == ""
    code, out, _ = run(
        "chat", "none:try_demo", "Hello", "--model", "demo-d0", "--system", "Be brief.", "--owner", "alice"
    )
    assert code == 0 and out


def test_chat_as_json_is_one_event_per_line_and_the_result_last(demo: AuthSession, run: Run) -> None:
    code, out, _ = run("chat", "try_demo", "Hello", "--model", "demo-d0", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and lines[0]["type"] == "stream_start" and lines[-2]["type"] == "stream_end"
    result = lines[-1]
    assert result["type"] == "result" and result["complete"] is True and result["finish_reason"] == "stop"
    assert result["text"] == "".join(line["text"] for line in lines if line["type"] == "text_delta")
    assert result["usage"]["output_tokens"]


def test_a_broken_answer_is_printed_and_not_a_success(demo: AuthSession, run: Run) -> None:
    code, out, err = run("chat", "try_demo", "Hello", "--model", "demo-truncated-d0")
    assert code == 1 and out.strip() and "error[stream_interrupted]" in err
    code, out, _ = run("chat", "try_demo", "Hello", "--model", "demo-truncated-d0", "--json")
    result = json.loads(out.splitlines()[-1])
    assert code == 1 and result["complete"] is False and result["text"] and result["error"]["code"]


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ("s-reasoning-only.sse", 3, "error[answer_length]: The answer reached its limit of tokens (length), and there"),
        ("gemini-g-malformed.sse", 1, "error[upstream_error]: Malformed function call"),
        ("t-doubleencoded.sse", 0, ""),
        ("s-length.sse", 3, "error[answer_length]: The answer reached its limit of tokens (length). (Allow more"),
        ("p-emptydata.sse", 0, ""),
    ],
)
def test_how_an_answer_ended_is_said_and_in_the_exit_code(
    demo: AuthSession, run: Run, monkeypatch: pytest.MonkeyPatch, case: str, code: int, said: str
) -> None:
    dialect = "gemini_generate" if case.startswith("gemini") else "openai_chat"

    async def chunks() -> AsyncIterator[bytes]:
        body = (ROOT / "tests" / "cases" / case.replace("s-length", "s-reasoning-only")).read_bytes()
        yield body.replace(b"reasoning_content", b"content") if case == "s-length.sse" else body

    monkeypatch.setattr(provider, "stream_chat", lambda *_, **__: parse_stream("remote", chunks(), dialect=dialect))
    found, _, err = run("chat", "try_demo", "Hello")
    assert found == code and err.startswith(said) and bool(err) == bool(said)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("try_demo", ""), "empty_prompt"),
        (("try_demo", "   "), "empty_prompt"),
        (("try_demo",), "empty_prompt"),
        (("missing", "Hello"), "unknown_session"),
        (("try_demo", "Hello", "--model", "no-such-model"), "unknown_model"),
        (("try_demo", "Hello", "--provider", "openai"), "unknown_session"),
    ],
)
def test_chat_refuses_with_a_code(demo: AuthSession, run: Run, arguments: tuple[str, ...], code: str) -> None:
    ended, out, err = run("chat", *arguments)
    assert ended == 1 and out == "" and err.startswith(f"error[{code}]") and err.count("\n") == 1


def test_options_may_stand_between_session_and_prompt(demo: AuthSession, run: Run) -> None:
    for arguments in (
        ("try_demo", "--model", "demo-d0", "--json", "Hello"),
        ("--json", "try_demo", "--model", "demo-d0", "--system", "Be brief.", "Hello"),
        ("--model", "demo-d0", "--json", "try_demo", "Hello"),
    ):
        code, out, err = run("chat", *arguments)
        assert code == 0, err
        assert json.loads(out.splitlines()[-1])["complete"] is True


@pytest.mark.parametrize(
    "arguments", [("try_demo", "--model", "demo-error-429", "Hi"), ("missing", "Hi"), ("try_demo", "")]
)
def test_as_json_the_last_line_is_a_result_even_when_nothing_began(
    demo: AuthSession, run: Run, arguments: tuple[str, ...]
) -> None:
    code, out, err = run("chat", "--json", *arguments)
    result = json.loads(out.splitlines()[-1])
    assert code == 1
    assert result["type"] == "result" and result["complete"] is False
    assert result["error"]["code"] == json.loads(err)["error"]["code"]


def test_a_disabled_session_is_not_asked(demo: AuthSession, run: Run) -> None:
    lifecycle.disable(demo)
    assert "error[session_disabled]" in run("chat", "try_demo", "Hello")[2]


def test_an_answer_cannot_steer_the_terminal() -> None:
    assert terminal.printable("a\x1b[31mb\x07\r\n\tc\x9b") == "a�[31mb��\n\tc�"


def start(installation: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "chat", "try_demo", "Tell me a story", "--model", "demo-d200", *arguments],
        cwd=ROOT,
        env=environment(installation, PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_cancels_and_prints_the_partial_result(installation: Path) -> None:
    process = start(installation, "--json")
    assert process.stdout is not None
    seen: list[dict[str, Any]] = []
    guard = threading.Timer(110, process.kill)
    guard.start()
    while not any(line["type"] == "text_delta" for line in seen):
        seen.append(json.loads(process.stdout.readline()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    guard.cancel()
    seen += [json.loads(line) for line in out.splitlines()]
    result = seen[-1]
    assert process.returncode == 130, err
    assert result["type"] == "result" and result["finish_reason"] == "cancelled" and result["complete"] is False
    assert result["text"] == "".join(line["text"] for line in seen if line["type"] == "text_delta") != ""
    assert json.loads(err.strip().splitlines()[-1])["error"]["code"] == "cancelled"


def test_a_reader_that_leaves_ends_the_command(installation: Path) -> None:
    process = start(installation)
    assert process.stdout is not None
    assert process.stdout.read(1)
    process.stdout.close()
    guard = threading.Timer(110, process.kill)
    guard.start()
    assert process.wait(50) == 1
    guard.cancel()
    assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_crash_of_the_answer_reaches_the_command(demo: AuthSession, run: Run) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        call_command("chat", "try_demo", "Hello", "--model", "demo-d0", stdout=Broken())


def test_a_prompt_or_key_that_is_no_text_or_too_long_is_refused(
    alice: User, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_text(code: str, *arguments: str) -> None:
        err = io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\xfa"), encoding="utf-8"))
        with pytest.raises(SystemExit):
            call_command(*arguments, stderr=err)
        assert f"error[{code}]" in err.getvalue()

    make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    no_text("invalid_request", "chat", "try_demo", "-")
    no_text("invalid_credential", "sessions", "create", "anthropic", "api_key", "no_text", "--key-stdin")
    code, _, err = run("chat", "try_demo", stdin="x" * 8_000_001)
    assert code == 1 and "error[invalid_request]" in err


def test_ctrl_c_before_the_first_event_says_cancelled(demo: AuthSession, run: Run) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        asked = threading.Event()
        while not any(task.get_name() == "chat-command" for task in asyncio.all_tasks(loop.current())):
            asked.wait(0.02)
        asked.wait(0.3)
        signal.pthread_kill(main, signal.SIGINT)

    reader = threading.Thread(target=interrupt)
    reader.start()
    code, out, err = run("chat", "try_demo", "Hello", "--model", "demo-hang", "--json")
    reader.join()
    result = json.loads(out.splitlines()[-1])
    assert code == 130 and json.loads(err)["error"]["code"] == "cancelled"
    assert (result["type"], result["finish_reason"], result["text"]) == ("result", "cancelled", "")
