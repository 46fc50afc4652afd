"""Private addresses that the owner of the installation allowed, at every door that leads to a provider."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from providers_app import errors, loop, provider
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, ask
from providers_app.dispatch import clients
from providers_app.types.credentials import Credential, Secret
from sessions_app.models import AllowedAddress, AuthSession, SessionEvent
from sessions_app.services import addresses, connect, outcomes
from tests.unit.sessions.commands import Run
from tests.unit.sessions.support import make_remote, settle
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer

MODEL = "local-large-text"


@pytest.fixture
def owner(transactional_db: Any) -> User:
    return User.objects.create_superuser("olive", password="a long enough password")


@pytest.fixture
def stored(owner: User, vendor: VendorServer) -> AuthSession:
    """A session from a time when its address was allowed."""
    return make_remote(owner, vendor)


def pair(server: VendorServer) -> str:
    return server.base_url.split("/")[2]


def credential(server: VendorServer) -> Credential:
    return Credential(auth_type="api_key", secret=Secret(VALID_KEY), base_url=server.base_url)


async def chat(owner: User, server: VendorServer) -> None:
    await provider.complete_chat("remote", "local_llama", "Hello", model=MODEL, owner=owner.pk)


async def models(owner: User, server: VendorServer) -> None:
    listing = await provider.list_models("remote", None, "local_llama", refresh=True, owner=owner.pk)
    assert listing


async def test_of_session(owner: User, server: VendorServer) -> None:
    await provider.test_session("remote", None, "local_llama", owner=owner.pk)


async def creation(owner: User, server: VendorServer) -> None:
    made = {"name": "another", "api_key": VALID_KEY, "base_url": server.base_url, "owner": owner.pk}
    await provider.create_session("remote", "api_key", **made)


async def trial(owner: User, server: VendorServer) -> None:
    await provider.try_credential("remote", credential(server), owner=owner.pk)


async def token_endpoint(owner: User, server: VendorServer) -> None:
    """A sign-in's requests, whose address an operator or a person may have named."""
    endpoint = TokenEndpoint(url=f"{server.origin}/token")
    with suppress(errors.UpstreamError):
        await ask(endpoint, {"grant_type": "refresh_token"}, clients.http(), spends=True)


DOORS: list[Callable[[User, VendorServer], Any]] = [chat, models, test_of_session, creation, trial, token_endpoint]
test_of_session.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("door", DOORS)
def test_every_door_of_python_opens_with_the_permission_and_closes_without(
    owner: User, stored: AuthSession, vendor: VendorServer, no_private_hosts: None, door: Any
) -> None:
    def through() -> None:
        loop.run(door(owner, vendor), 60)
        settle()

    with pytest.raises(errors.AddressRefused) as caught:
        through()
    assert caught.value.pair == pair(vendor) and not list(vendor.ledger)
    addresses.allow(server_address := vendor.base_url, actor_id=owner.pk)
    through()
    seen = len(list(vendor.ledger))
    assert seen or door is creation
    assert addresses.revoke(pair(vendor), actor_id=owner.pk), server_address
    AuthSession.objects.filter(name="another").delete()
    with pytest.raises(errors.AddressRefused):
        through()
    assert len(list(vendor.ledger)) == seen


def test_forms_and_tests_of_a_key_read_the_same_policy(
    owner: User, vendor: VendorServer, no_private_hosts: None
) -> None:
    given = {"provider": "remote", "auth_type": "api_key", "secret": Secret(VALID_KEY), "base_url": vendor.base_url}
    with pytest.raises(errors.AddressRefused):
        connect.create(owner_id=owner.pk, name="by_form", **given)
    refused = outcomes.verify("remote", credential(vendor), owner_id=owner.pk).error
    assert isinstance(refused, errors.AddressRefused)
    addresses.allow(pair(vendor), actor_id=owner.pk)
    session = connect.create(owner_id=owner.pk, name="by_form", **given)
    assert outcomes.verify("remote", credential(vendor), owner_id=owner.pk).error is None
    moved = vendor.base_url.replace("127.0.0.1", "localhost")
    assert connect.change_base_url(session, moved), "a name is judged where the connection is made"
    elsewhere = Credential(auth_type="api_key", secret=Secret(VALID_KEY), base_url=moved)
    found = outcomes.verify("remote", elsewhere, owner_id=owner.pk).error
    assert isinstance(found, errors.AddressRefused) and found.pair == pair(vendor).replace("127.0.0.1", "localhost")
    settle()


def test_commands_name_the_line_to_run_and_go_on_after_it(
    owner: User, stored: AuthSession, vendor: VendorServer, no_private_hosts: None, run: Run
) -> None:
    asked = ("chat", "local_llama", "Hello", "--model", MODEL)
    code, out, err = run(*asked)
    assert code == 1 and not out and f"`manage.py addresses allow {pair(vendor)}`" in err, err
    assert "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS" in err
    assert run("addresses", "allow", pair(vendor))[0] == 0
    code, out, err = run(*asked)
    assert code == 0 and out, err


def test_the_command_lists_allows_and_revokes(owner: User, no_private_hosts: None, run: Run) -> None:
    code, out, _ = run("addresses", "list")
    assert code == 0 and "No private address is allowed" in out
    code, out, _ = run("addresses", "allow", "http://Ollama.lan:11434/v1")
    assert code == 0 and out.startswith("Allowed ollama.lan:11434.")
    code, out, _ = run("addresses", "list", "--json")
    row = json.loads(out)[0]
    assert (row["address"], row["allowed_by"]) == ("ollama.lan:11434", "olive")
    assert "ollama.lan:11434" in run("addresses", "list")[1]
    code, out, _ = run("addresses", "revoke", "ollama.lan:11434", "--json")
    assert code == 0 and json.loads(out) == {"revoked": "ollama.lan:11434"}
    code, _, err = run("addresses", "revoke", "ollama.lan:11434")
    assert code == 1 and "not on the list" in err
    assert list(SessionEvent.objects.values_list("action", "session_label", "actor__username").order_by("id")) == [
        ("address-allowed", "ollama.lan:11434", "olive"),
        ("address-revoked", "ollama.lan:11434", "olive"),
    ]


def test_the_list_shows_what_the_setting_allows(owner: User, run: Run) -> None:
    assert "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS" in run("addresses", "list")[1]


@pytest.mark.parametrize(
    ("address", "code", "why"),
    [
        ("169.254.169.254:80", "address_refused", "metadata"),
        ("http://[fd00:ec2::254]/latest", "address_refused", "metadata"),
        ("127.0.0.1", "invalid_request", "no port"),
        ("10.0.0.0/8", "invalid_request", ""),
    ],
)
def test_what_cannot_be_allowed_is_refused_and_not_stored(
    owner: User, run: Run, address: str, code: str, why: str
) -> None:
    ended, out, err = run("addresses", "allow", address)
    assert ended == 1 and not out and f"error[{code}]" in err and why in err
    assert not AllowedAddress.objects.exists() and not SessionEvent.objects.exists()


def test_only_owners_of_the_installation_decide(owner: User, alice: User, run: Run) -> None:
    code, _, err = run("addresses", "allow", "127.0.0.1:1", "--owner", "alice")
    assert code == 1 and "does not own this installation" in err and "olive" in err
    assert addresses.may_allow(owner) and not addresses.may_allow(alice)
    assert addresses.owners() == "olive"


def test_allowing_twice_is_one_row_and_one_line_of_the_trail(owner: User) -> None:
    for text in ("127.0.0.1:11434", "http://127.0.0.1:11434/v1", "http://2130706433:11434"):
        assert addresses.allow(text, actor_id=owner.pk) == "127.0.0.1:11434"
    assert AllowedAddress.objects.count() == SessionEvent.objects.count() == 1


def test_an_import_takes_a_key_for_an_address_once_that_is_allowed(
    owner: User, no_private_hosts: None, run: Run, tmp_path: Path
) -> None:
    source = tmp_path / "baseurl.env"
    source.write_text("OPENAI_API_KEY=sk-proj-AAAABBBBCCCCDDDDEEEE1234\nOPENAI_BASE_URL=http://127.0.0.1:27411/ok/v1\n")
    code, out, _ = run("import_sessions", str(source))
    assert code == 1 and "`manage.py addresses allow 127.0.0.1:27411`" in out and not AuthSession.objects.exists()
    assert run("addresses", "allow", "127.0.0.1:27411")[0] == 0
    code, out, _ = run("import_sessions", str(source))
    session = AuthSession.objects.get()
    assert code == 0 and (session.provider, session.base_url) == ("remote", "http://127.0.0.1:27411/ok/v1")
