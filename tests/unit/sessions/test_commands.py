"""The commands: what they print, what they refuse, how they end."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle
from tests.processes import ROOT, environment, manage
from tests.unit.sessions.support import CANARY, make, make_remote, settle
from tests.vendors.server import VendorServer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command: exit code, stdout, stderr."""

    def command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            call_command(*arguments, stdout=out, stderr=err)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, out.getvalue(), err.getvalue()

    return command


@pytest.fixture
def demo(alice: User, transactional_db: Any) -> Iterator[AuthSession]:
    yield make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    settle()


def test_a_key_comes_from_stdin_or_the_environment(alice: User, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run("sessions", "create", "anthropic", "api_key", "piped", "--key-stdin", stdin=f"{CANARY}\n")
    assert code == 0 and "piped" in out and CANARY not in out + err
    monkeypatch.setenv("TEST_KEY", CANARY)
    code, out, _ = run("sessions", "create", "anthropic", "api_key", "from_env", "--key-env", "TEST_KEY", "--json")
    made = json.loads(out)
    assert code == 0 and (made["name"], made["state"]) == ("from_env", "active") and CANARY not in out
    for row in AuthSession.objects.all():
        assert credentials.open_credential(row).secret.reveal() == CANARY


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("anthropic", "api_key", "no_key"), "invalid_credential"),
        (("anthropic", "api_key", "no_key", "--key-env", "NOT_SET_ANYWHERE"), "invalid_credential"),
        (("anthropic", "api_key", "no_key", "--key-stdin"), "invalid_credential"),
        (("antropic", "api_key", "some_name"), "unknown_provider"),
        (("demo", "none", "demo"), "invalid_name"),
        (("demo", "none", "x"), "invalid_name"),
        (("demo", "none", "taken"), "duplicate_session"),
        (("demo", "api_key", "some_name"), "unsupported_operation"),
        (("remote", "none", "some_name"), "invalid_request"),
        (("remote", "none", "some_name", "--base-url", "http://192.168.1.1/v1"), "address_refused"),
        (("demo", "none", "some_name", "--owner", "nobody"), "owner_required"),
    ],
)
def test_what_cannot_be_created_is_one_line_with_a_code(
    alice: User, run: Run, arguments: tuple[str, ...], code: str
) -> None:
    make(alice, "taken", provider="demo", auth_type="none", secret=Secret(""))
    ended, out, err = run("sessions", "create", *arguments)
    assert ended == 1 and out == "" and err.startswith(f"error[{code}]: ") and err.count("\n") == 1
    ended, out, err = run("sessions", "create", *arguments, "--json")
    assert ended == 1 and out == "" and json.loads(err)["error"]["code"] == code
    assert AuthSession.objects.count() == 1


def test_listing(alice: User, bob: User, run: Run) -> None:
    assert "No sessions" in run("sessions", "list", "--owner", "alice")[1]
    assert json.loads(run("sessions", "list", "--owner", "alice", "--json")[1]) == []
    make(alice, "hers", secret=Secret(CANARY))
    make(bob, "his")
    code, out, _ = run("sessions", "list", "--owner", "alice")
    assert code == 0 and "hers" in out and "his" not in out.replace("this", "") and "NAME" in out
    rows = json.loads(run("sessions", "list", "--owner", "alice", "--json", "--provider", "anthropic")[1])
    assert [row["name"] for row in rows] == ["hers"] and CANARY not in str(rows)
    assert json.loads(run("sessions", "list", "--owner", "alice", "--json", "--auth-type", "none")[1]) == []


def test_without_an_owner_the_only_user_is_meant(alice: User, run: Run) -> None:
    make(alice, "hers")
    assert "hers" in run("sessions", "list")[1]
    User.objects.create_user("bob")
    code, _, err = run("sessions", "list")
    assert code == 1 and "error[owner_required]" in err and "alice, bob" in err
    code, _, err = run("sessions", "list", "--owner", "carol")
    assert code == 1 and "'carol'" in err and "alice" in err


def test_with_no_user_at_all_the_hint_says_what_to_run(db: Any, run: Run) -> None:
    for arguments in (("list",), ("list", "--owner", "x")):
        code, _, err = run("sessions", *arguments)
        assert code == 1 and "manage.py welcome" in err


def test_deleting_by_three_words_name_or_id(alice: User, run: Run) -> None:
    for arguments in (
        ("anthropic", "api_key", "my_key"),
        ("my_key",),
        ("api_key:my_key",),
        ("my_key", "--provider", "anthropic", "--auth-type", "api_key"),
    ):
        session = make(alice)
        code, out, _ = run("sessions", "delete", *arguments, "--json")
        assert code == 0 and json.loads(out)["deleted"] == str(session.pk)
        assert not AuthSession.objects.exists()
    session = make(alice)
    assert "destroyed" in run("sessions", "delete", str(session.pk))[1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("missing",), "unknown_session"),
        (("openai", "api_key", "my_key"), "unknown_session"),
        (("two", "words"), "invalid_request"),
        (("anthropic", "api_key", "my_key", "--provider", "anthropic"), "invalid_request"),
        (("my_key", "--owner", "bob"), "unknown_session"),
    ],
)
def test_what_cannot_be_deleted_stays(alice: User, bob: User, run: Run, arguments: tuple[str, ...], code: str) -> None:
    make(alice)
    owner = () if "--owner" in arguments else ("--owner", "alice")
    ended, _, err = run("sessions", "delete", *arguments, *owner)
    assert ended == 1 and f"error[{code}]" in err and AuthSession.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_models(alice: User, vendor: VendorServer, run: Run) -> None:
    make_remote(alice, vendor)
    code, out, _ = run("models", "local_llama")
    assert code == 0 and "local-large  131,072 tokens" in out
    code, out, _ = run("models", "local_llama", "--json", "--provider", "remote", "--auth-type", "api_key")
    assert {model["id"] for model in json.loads(out)} == {"local-large", "local-small"} and "raw" not in out
    code, _, err = run("models", "missing")
    assert code == 1 and "error[unknown_session]" in err


@pytest.mark.django_db(transaction=True)
def test_a_refused_key_ends_models_and_chat_with_one_line(alice: User, vendor: VendorServer, run: Run) -> None:
    make_remote(alice, vendor, key=CANARY)
    for arguments in (("models", "local_llama"), ("chat", "local_llama", "hello", "--model", "local-small")):
        code, out, err = run(*arguments)
        assert code == 1 and out == "" and err.startswith("error[upstream_authentication]: ") and err.count("\n") == 1
        code, out, err = run(*arguments, "--json")
        assert code == 1 and json.loads(err)["error"]["status"] == 401 and CANARY not in out + err
    settle()


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


def test_a_disabled_session_is_not_asked(demo: AuthSession, run: Run) -> None:
    lifecycle.disable(demo)
    assert "error[session_disabled]" in run("chat", "try_demo", "Hello")[2]


def test_an_answer_cannot_steer_the_terminal() -> None:
    assert terminal.printable("a\x1b[31mb\x07\r\n\tc\x9b") == "a�[31mb��\n\tc�"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of its own with one user and a demo session, made by the commands themselves."""
    data = tmp_path_factory.mktemp("data")
    assert manage(data, "welcome").returncode == 0
    made = manage(data, "sessions", "create", "demo", "none", "try_demo")
    assert made.returncode == 0, made.stderr
    return data


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
    guard = threading.Timer(50, process.kill)
    guard.start()
    while not any(line["type"] == "text_delta" for line in seen):
        seen.append(json.loads(process.stdout.readline()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
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
    os.close(process.stdout.fileno())
    guard = threading.Timer(50, process.kill)
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


def test_ctrl_c_before_the_first_event_says_cancelled(installation: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "chat", "try_demo", "Hello", "--model", "demo-hang", "--json"],
        cwd=ROOT,
        env=environment(installation, PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    guard = threading.Timer(50, process.kill)
    guard.start()
    started = threading.Event()
    started.wait(6)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    guard.cancel()
    assert process.returncode == 130
    result = json.loads(out.splitlines()[-1])
    assert (result["type"], result["finish_reason"], result["text"]) == ("result", "cancelled", "")
