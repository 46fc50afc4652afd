"""The commands: what they print, what they refuse, how they end."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DataError, InterfaceError, OperationalError

from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle
from tests.processes import ROOT, environment
from tests.unit.sessions.commands import Run
from tests.unit.sessions.logins import ago, make_login
from tests.unit.sessions.support import CANARY, make, make_remote, settle
from tests.vendors.server import VendorServer


def test_a_key_comes_from_stdin_or_the_environment(alice: User, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run("sessions", "create", "anthropic", "api_key", "piped", "--key-stdin", stdin=f"{CANARY}\n")
    assert code == 0 and "piped" in out and CANARY not in out + err
    monkeypatch.setenv("TEST_KEY", CANARY)
    code, out, _ = run("sessions", "create", "anthropic", "api_key", "from_env", "--key-env", "TEST_KEY", "--json")
    made = json.loads(out)
    assert code == 0 and (made["name"], made["state"]) == ("from_env", "active") and CANARY not in out
    for row in AuthSession.objects.all():
        assert credentials.open_credential(row).secret.reveal() == CANARY


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_is_one_line(
    alice: User, run: Run, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken() -> None:
        raise error("could not connect to /secret/place")

    monkeypatch.setattr(lifecycle, "purge_deleted", broken)
    code, out, err = run("sessions", "list")
    assert (code, out) == (1, "") and err.startswith("error[store_unavailable]") and "/secret/place" not in err


def test_a_bug_is_not_taken_for_a_database_that_does_not_answer(
    alice: User, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise DataError("value too long")

    monkeypatch.setattr(lifecycle, "purge_deleted", broken)
    with pytest.raises(DataError):
        run("sessions", "list")


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


def test_creating_a_login_leads_to_signing_in(alice: User, run: Run) -> None:
    code, _, err = run("sessions", "create", "openai", "oauth", "work")
    assert code == 1 and "error[unsupported_operation]" in err and "sessions login openai" in err


def test_a_key_cannot_be_revoked_here(alice: User, run: Run) -> None:
    make(alice, "work_key")
    code, _, err = run("sessions", "revoke", "work_key")
    assert code == 1 and err.startswith("error[unsupported_operation]: ") and "work_key" in err


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
    assert code == 0 and re.search(r"^local-large +131,072 ", out, re.MULTILINE)
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


def test_a_list_whose_reader_leaves_ends_quietly(installation: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "models", "try_demo"],
        cwd=ROOT,
        env=environment(installation),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(50) == 1
    assert process.stderr.read() == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["chat", "sessions", "refresh_tokens"])
def test_a_dead_login_says_where_to_sign_in_again(alice: User, run: Run, command: str) -> None:
    session = make_login(alice, "dead", status="needs_reauth", status_reason="Refused.", expires_at=ago(hours=1))
    make_login(alice, "well", account_id="b")
    arguments = {"chat": ("dead", "Hello", "--model", "gpt-5.6"), "sessions": ("list",), "refresh_tokens": ()}[command]
    code, out, err = run(command, *arguments)
    assert code == (0 if command == "sessions" else 1)
    sentence = f"Sign in again at /sessions/{session.pk}/: the session keeps its name and its trail."
    assert err.count(sentence) == 1 and "well" not in err, err
    if command != "chat":
        rows = json.loads(run(command, *arguments, "--json")[1])
        assert sentence in [row["hint"] for row in rows] and sentence not in out
