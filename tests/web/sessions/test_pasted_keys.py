"""What is copied with a key is removed and named once, and a placeholder is refused, on every way in."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import loop, provider
from providers_app.behaviours.keys import bare, problem_of
from providers_app.errors import InvalidCredential
from sessions_app import credentials
from sessions_app.models import AuthSession
from sessions_app.services import connect
from tests.unit.sessions.commands import Run, run
from tests.unit.sessions.support import make
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer
from tests.web.sessions.support import messages_of, signed_in, text_of

__all__ = ["run"]
pytestmark = pytest.mark.django_db(transaction=True)
KEY = "sk-proj-AAAABBBBCCCCDDDDEEEE1234"
PASTED = f'\ufeffOPENAI_API_KEY="{KEY}"'
SAID = "Removed from the key: a byte order mark, the variable name in front of it, the quotes around it."


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        (f"  {KEY}\n", ()),
        (f'"{KEY}"', ("the quotes around it",)),
        (f"\u201c{KEY}\u201d", ("the quotes around it",)),
        (f"'{KEY}',", ("the quotes around it",)),
        (f"`{KEY}`", ("the quotes around it",)),
        (f"export OPENAI_API_KEY={KEY}", ("the variable name in front of it",)),
        (f"api_key = {KEY}", ("the variable name in front of it",)),
        (f'"OPENAI_API_KEY={KEY}"', ("the quotes around it", "the variable name in front of it")),
        (f"\ufeff{KEY}", ("a byte order mark",)),
    ],
)
def test_what_was_copied_with_a_key(text: str, removed: tuple[str, ...]) -> None:
    assert bare(text) == (KEY, removed)


@pytest.mark.parametrize("key", ["QUJDREVGRw==", "ABCDEFGH=", "a=b", "user:password", "x-y_z.1"])
def test_what_belongs_to_a_key_stays(key: str) -> None:
    assert bare(key) == (key, ())


@pytest.mark.parametrize(
    "text",
    [
        "your-api-key-here", "YOUR_API_KEY", "sk-your-key", "sk-...", "sk-ant-...", "sk-proj-…", "<key>", "<your key>",
        "sk-xxxxxxxxxxxx", "XXXXXXXX", "sk-****abcd", "$OPENAI_API_KEY", "${OPENAI_API_KEY}", "%OPENAI_API_KEY%",
        "{{ key }}", "[key]", "changeme", "change-me", "insert-key-here", "OPENAI_API_KEY", "OPENAI_API_KEY=",
    ],
)  # fmt: skip
def test_what_stands_for_a_key_is_none(text: str) -> None:
    assert "placeholder" in problem_of(bare(text)[0])


@pytest.mark.parametrize(
    "key", [KEY, "anything", "ollama", "EMPTY", "not-needed", "my_secret_key", "datacenter-1", "x"]
)
def test_a_key_of_a_server_at_home_is_one(key: str) -> None:
    assert problem_of(key) == ""


def stored() -> str:
    return credentials.open_credential(AuthSession.objects.get()).secret.reveal()


def test_connect_and_replace_key(alice: User, vendor: VendorServer) -> None:
    client, address = signed_in(alice), f"{reverse('sessions:connect')}?provider=remote&auth_type=api_key"
    data = {"name": "local_llama", "base_url": vendor.base_url}
    refused = client.post(address, data | {"key": "<key>"})
    assert refused.status_code == 422 and "placeholder" in text_of(refused) and not vendor.ledger
    answer = client.post(address, data | {"key": f"LLAMA_KEY='{VALID_KEY}'"})
    assert messages_of(answer).count("Removed from the key: the variable name in front of it, the quotes") == 1
    assert stored() == VALID_KEY and [entry.key for entry in vendor.ledger] == ["right"]
    key_page = reverse("sessions:key", args=[AuthSession.objects.get().pk])
    assert "placeholder" in text_of(client.post(key_page, {"key": "your-api-key-here"})) and stored() == VALID_KEY
    replaced = client.post(key_page, {"key": f'"{VALID_KEY}"'})
    assert messages_of(replaced).count("Removed from the key: the quotes around it.") == 1 and stored() == VALID_KEY
    again = client.post(key_page, {"key": f" {VALID_KEY} "})
    assert messages_of(again).count("Removed from the key: the quotes around it.") == 1, (
        "white space is not worth a word"
    )


def test_the_admin(alice: User, admin_user: User) -> None:
    client, add = signed_in(admin_user), reverse("admin:sessions_app_authsession_add")
    data: dict[str, Any] = {"owner": alice.pk, "provider": "openai", "auth_type": "api_key", "name": "from_admin"}
    assert "placeholder" in text_of(client.post(add, data | {"key": "sk-..."}))
    assert SAID in messages_of(client.post(add, data | {"key": PASTED})) and stored() == KEY
    change = reverse("admin:sessions_app_authsession_change", args=[AuthSession.objects.get().pk])
    assert "Removed from the key: the quotes" in messages_of(client.post(change, data | {"key": f"'{KEY}9'"}))
    assert stored() == f"{KEY}9"


def create_from_stdin(run: Run, monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[int, str, str]:
    return run("sessions", "create", "openai", "api_key", "pasted", "--key-stdin", stdin=text)


def create_from_variable(run: Run, monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[int, str, str]:
    monkeypatch.setenv("PASTED_KEY", text)
    return run("sessions", "create", "openai", "api_key", "pasted", "--key-env", "PASTED_KEY")


@pytest.mark.parametrize("create", [create_from_stdin, create_from_variable])
def test_the_commands(
    alice: User, run: Run, monkeypatch: pytest.MonkeyPatch, create: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = create(run, monkeypatch, "your-api-key-here")
    assert code == 1 and "error[invalid_credential]" in err and not AuthSession.objects.exists()
    code, out, err = create(run, monkeypatch, PASTED)
    assert (code, err.strip()) == (0, f"warning: {SAID}") and stored() == KEY and KEY not in out


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("keys.json", lambda key: json.dumps({"openai": key})),
        ("rows.json", lambda key: json.dumps([{"provider": "openai", "auth_type": "api_key", "api_key": key}])),
    ],
)
def test_the_imports(alice: User, run: Run, tmp_path: Any, name: str, write: Callable[[str], str]) -> None:
    file = tmp_path / name
    file.write_text(write("sk-..."), encoding="utf-8")
    code, out, _ = run("import_sessions", str(file))
    assert code == 1 and "placeholder" in out and not AuthSession.objects.exists()
    file.write_text(write(PASTED), encoding="utf-8")
    code, out, _ = run("import_sessions", str(file))
    assert code == 0 and out.count(SAID) == 1 and stored() == KEY
    assert run("import_sessions", str(file))[1].count("1 unchanged") == 1


def test_python(alice: User) -> None:
    def create(key: str) -> Any:
        made = provider.create_session("openai", "api_key", name="pasted", api_key=key, owner=alice.pk)
        return loop.run(made, 60)

    with pytest.raises(InvalidCredential, match="placeholder"):
        create("<key>")
    assert [advice.message for advice in create(PASTED).advice] == [SAID] and stored() == KEY


def test_nothing_is_said_of_a_key_as_it_is(alice: User) -> None:
    assert make(alice).advice == ()
    with pytest.raises(InvalidCredential):
        connect.replace_key(AuthSession.objects.get(), connect.Secret('""'))
