"""``manage.py sessions login|complete|flows|revoke``."""

import io
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from providers_app import conf
from providers_app.registry.settings import build_model, config_class
from sessions_app import credentials
from sessions_app.models import AuthSession, OAuthAttempt, SessionEvent
from sessions_app.stores import pool
from tests.unit.providers.login_flow.signer import Side, installed
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """The provider ``signer`` is installed; this is what it knows."""
    with installed(tmp_path, monkeypatch) as found:
        yield found
    pool.shutdown()


class Typist(io.StringIO):
    """Standard input of somebody who answers each line when it is wanted."""

    def __init__(self, *lines: Callable[[], str]) -> None:
        super().__init__()
        self.lines = list(lines)

    def readline(self, *_: Any) -> str:  # type: ignore[override]
        return self.lines.pop(0)() + "\n" if self.lines else ""


def in_parallel(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def first_url(side: Side) -> str:
    wait_until(lambda: side.urls)
    return side.urls[0]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run ``sessions`` with lines that are made when they are read: exit code, stdout, stderr."""

    def run(*arguments: str, lines: tuple[Callable[[], str], ...] = ()) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", Typist(*lines))
        try:
            call_command("sessions", *arguments, stdout=out, stderr=err)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, out.getvalue(), err.getvalue()

    return run


def test_a_pasted_code_signs_in(alice: User, side: Side, command: Any) -> None:
    said: list[str] = []

    def paste() -> str:
        said.append(side.allow(first_url(side)))
        return said[-1]

    arguments = ("login", "signer", "--name", "dev_login", "--method", "paste_code")
    code, out, err = command(*arguments, lines=(lambda: "not the code at all", paste))
    assert code == 0, err
    assert "https://signer.test/authorize?" in out and "signed in as acc-1@signer.test" in out
    assert err.startswith("error[invalid_login_answer]") and err.count("\n") == 1
    assert said[0].partition("#")[0] not in out + err
    assert credentials.open_tokens(AuthSession.objects.get()) is not None


def test_a_listener_signs_in(alice: User, side: Side, command: Any) -> None:
    pages: list[str] = []

    def browse() -> None:
        address = side.allow(first_url(side))
        limit = time.monotonic() + 60
        while not pages and time.monotonic() < limit:
            # The provider made the address; the listener takes an answer once the command has it, and says 400 before.
            with suppress(urllib.error.HTTPError), urllib.request.urlopen(address, timeout=60) as page:
                pages.append(page.read().decode())

    browser = in_parallel(browse)
    code, out, err = command("login", "signer", "--name", "dev_login", "--json")
    browser.join(60)
    assert code == 0, err
    shown, made = (json.loads(line) for line in out.splitlines())
    assert (shown["method"], shown["name"]) == ("loopback", "dev_login") and shown["url"] == side.urls[0]
    assert (made["name"], made["auth_type"], made["account"]) == ("dev_login", "oauth", "acc-1@signer.test")
    assert "go back to Maestro" in pages[0]


def test_a_device_code_signs_in(alice: User, side: Side, command: Any) -> None:
    def type_it() -> None:
        wait_until(lambda: side.devices)
        side.devices[next(iter(side.devices))] = "acc-3"

    person = in_parallel(type_it)
    code, out, err = command("login", "signer", "--name", "dev_login", "--method", "device")
    person.join(60)
    assert code == 0, err
    assert "ABCD-EFGH" in out and "signed in as acc-3@signer.test" in out


def test_a_code_can_be_given_later(alice: User, side: Side, command: Any) -> None:
    code, out, _ = command("login", "signer", "--name", "dev_login", "--method", "paste_url", "--no-wait", "--json")
    login = json.loads(out)["login"]
    assert code == 0 and not AuthSession.objects.exists()
    code, out, err = command("complete", login, "--json", lines=(lambda: side.allow(side.urls[0]),))
    assert code == 0 and json.loads(out)["name"] == "dev_login", err
    code, _, err = command("complete", login, lines=(lambda: side.allow(side.urls[0]),))
    assert code == 1 and err.startswith("error[login_used]")


def test_nobody_would_listen_without_waiting(alice: User, side: Side, command: Any) -> None:
    code, _, err = command("login", "signer", "--name", "dev_login", "--no-wait")
    assert code == 1 and err.startswith("error[invalid_request]")
    assert OAuthAttempt.objects.get().status == "cancelled"


def test_a_flow_without_a_browser(alice: User, side: Side, command: Any, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("the-machine-key\n")
    arguments = ("login", "signer", "--name", "dev_login", "--flow", "machine")
    code, out, err = command(*arguments, "--field", f"key=@{key}")
    assert code == 0 and "machine-1@signer.test" in out, err
    code, out, err = command(*arguments[:3], "other_one", *arguments[4:], "--field", "key=a-wrong-machine-key")
    assert code == 1 and err.startswith("error[token_refused]") and "a-wrong-machine-key" not in out + err


def test_another_account_is_taken_by_a_word(alice: User, side: Side, command: Any) -> None:
    lines = (lambda: side.allow(side.urls[-1]),)
    assert command("login", "signer", "--name", "dev_login", "--method", "paste_code", lines=lines)[0] == 0
    other = (lambda: side.allow(side.urls[-1], "acc-2"),)
    code, _, err = command("login", "signer", "--session", "dev_login", "--method", "paste_code", lines=other)
    assert code == 1 and err.startswith("error[wrong_account]") and "acc-2@signer.test" in err
    assert AuthSession.objects.get().account_id == "acc-1"
    waiting = OAuthAttempt.objects.get(status="confirm")
    assert str(waiting.pk) in err
    assert command("complete", str(waiting.pk), "--confirm")[0] == 0
    assert AuthSession.objects.get().account_id == "acc-2"
    assert [event.action for event in SessionEvent.objects.order_by("id")] == ["signed-in", "signed-in-again"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("demo", "--name", "dev_login"), "unsupported_operation"),
        (("sginer", "--name", "dev_login"), "unknown_provider"),
        (("signer", "--name", "x"), "invalid_name"),
        (("signer", "--session", "no_such_one"), "unknown_session"),
        (("signer", "--name", "dev_login", "--method", "callback"), "invalid_request"),
        (("signer", "--name", "dev_login", "--field", "nothing"), "invalid_request"),
        (("signer", "--name", "dev_login", "--flow", "machine", "--field", "key=@/no/such/file"), "invalid_request"),
        (("signer", "--name", "dev_login", "--flow", "forbidden"), "invalid_request"),
        (("signer", "--name", "dev_login", "--flow", "forbidden", "--agree"), "flow_disabled"),
        (("signer", "--name", "dev_login", "--method", "paste_code"), "invalid_request"),
        (("signer", "--name", "dev_login", "--owner", "nobody"), "owner_required"),
    ],
)
def test_what_cannot_be_begun_is_one_line_with_a_code(
    alice: User, side: Side, command: Any, arguments: tuple[str, ...], code: str
) -> None:
    ended, _, err = command("login", *arguments)
    assert ended == 1 and err.startswith(f"error[{code}]: ") and err.count("\n") == 1
    assert not AuthSession.objects.exists()


def test_a_clients_secret_comes_from_standard_input(alice: User, side: Side, command: Any) -> None:
    config = config_class("signer")(enabled_flows=("forbidden",))
    with conf.use(build_model()(signer=config)):
        code, out, err = command(
            *("login", "signer", "--name", "dev_login", "--flow", "forbidden", "--agree"),
            *("--client-id", "mine", "--client-secret-stdin"),
            lines=(lambda: "hidden-secret", lambda: side.allow(side.urls[0])),
        )
    assert code == 0 and "hidden-secret" not in out + err, err


def test_the_flows_are_listed_with_what_vendors_say(side: Side, command: Any) -> None:
    code, out, err = command("flows", "signer")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["PROVIDER", "FLOW", "STATE", "METHODS"]
    assert lines[1].split()[:3] == ["signer", "page", "on"]
    assert any(line.split()[:3] == ["signer", "forbidden", "off"] for line in lines)
    assert "Signer wants only its own program" in out and "ENABLED_FLOWS=forbidden" in out
    found = json.loads(command("flows", "signer", "--json")[1])
    assert [flow["enabled"] for flow in found] == [True, True, True, False]
    everything = json.loads(command("flows", "--json")[1])
    assert {"signer", "anthropic", "openai"} <= {flow["provider"] for flow in everything}
    assert "demo" not in {flow["provider"] for flow in everything}
    assert command("flows", "demo")[0] == 1


def test_a_login_is_revoked(alice: User, side: Side, command: Any) -> None:
    lines = (lambda: side.allow(side.urls[-1]),)
    assert command("login", "signer", "--name", "dev_login", "--method", "paste_code", lines=lines)[0] == 0
    side.can_revoke = False
    code, out, err = command("revoke", "dev_login")
    assert code == 0 and "nothing was changed" in out, err
    assert AuthSession.objects.get().status == "active"
    side.can_revoke = True
    code, out, err = command("revoke", "dev_login", "--json")
    assert code == 0 and json.loads(out)["revoked"] is True, err
    session = AuthSession.objects.get()
    assert session.status == "disabled" and not credentials.has_secret(session)
    assert len(side.revoked) == 2
