"""Connect: cards, form, what is stored and what is not."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import providers
from providers_app.registry.discovery import registry
from sessions_app.models import AuthSession
from tests.unit.sessions.support import CANARY, make, settle
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer
from tests.web.sessions.support import codes_of, copyable, messages_of, signed_in, text_of

CONNECT = reverse("sessions:connect")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder of provider packages."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    registry.reset()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("providers_app.providers.zz_")]:
        del sys.modules[name]
    monkeypatch.undo()
    registry.reset()


def post(client: Any, provider: str, auth_type: str, **data: str) -> Any:
    return client.post(f"{CONNECT}?provider={provider}&auth_type={auth_type}", data)


def test_every_provider_has_a_card(alice: User) -> None:
    page = signed_in(alice).get(CONNECT)
    for name, slug in (("Anthropic", "anthropic"), ("OpenAI", "openai"), ("Demo", "demo")):
        assert name in text_of(page) and f"?provider={slug}" in page.content.decode()


def test_a_broken_provider_is_shown_with_its_reason_and_cannot_be_chosen(alice: User, packages: Path) -> None:
    (packages / "zz_broken").mkdir()
    (packages / "zz_broken" / "__init__.py").write_text("raise ImportError('a part is missing')")
    client = signed_in(alice)
    page = client.get(CONNECT)
    assert "Unavailable" in text_of(page) and "a part is missing" in text_of(page)
    assert "?provider=zz_broken" not in page.content.decode() and "Anthropic" in text_of(page)
    chosen = client.get(f"{CONNECT}?provider=zz_broken")
    assert chosen.status_code == 503 and "provider_broken" in text_of(chosen)


def test_an_unknown_provider_leads_back_to_the_cards(alice: User) -> None:
    page = signed_in(alice).get(f"{CONNECT}?provider=antropic")
    assert page.status_code == 404 and "unknown_provider" in text_of(page) and "'anthropic'" in text_of(page)


def test_the_form_suggests_a_free_name_and_hides_what_is_typed(alice: User) -> None:
    make(alice, "my_anthropic")
    page = signed_in(alice).get(f"{CONNECT}?provider=anthropic").content.decode()
    assert 'value="my_anthropic_2"' in page
    assert 'type="password"' in page and 'autocomplete="off"' in page


def test_the_form_asks_for_what_the_provider_needs(alice: User) -> None:
    client = signed_in(alice)
    demo = client.get(f"{CONNECT}?provider=demo").context["form"]
    assert set(demo.fields) == {"name"}
    remote = client.get(f"{CONNECT}?provider=remote").context
    assert {"base_url", "option_server"} <= set(remote["form"].fields) and remote["form"].fields["key"].required
    assert [value for value, _ in remote["kinds"]] == ["api_key", "none"]
    open_one = client.get(f"{CONNECT}?provider=remote&auth_type=none").context["form"]
    assert {name for name in open_one.fields if not name.startswith("option_")} == {"name", "base_url"}
    assert client.get(f"{CONNECT}?provider=remote&auth_type=nonsense").context["kind"] == "api_key"


@pytest.mark.django_db(transaction=True)
def test_a_working_key_is_tested_and_stored(alice: User, vendor: VendorServer) -> None:
    answer = post(signed_in(alice), "remote", "api_key", name="local_llama", key=VALID_KEY, base_url=vendor.base_url)
    session = AuthSession.objects.get()
    assert answer["Location"] == reverse("sessions:detail", args=[session.pk])
    assert "connected" in messages_of(answer) and session.tested_at and session.status == "active"
    assert [entry.key for entry in vendor.ledger] == ["right"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_key_is_not_stored_unless_the_person_insists(alice: User, vendor: VendorServer) -> None:
    client = signed_in(alice)
    data = {"name": "local_llama", "key": CANARY, "base_url": vendor.base_url}
    answer = post(client, "remote", "api_key", **data)
    page = answer.content.decode()
    assert answer.status_code == 422 and not AuthSession.objects.exists()
    assert "upstream_authentication" in copyable(answer) and "store_anyway" in page
    assert CANARY not in page and 'value="local_llama"' in page
    kept = post(client, "remote", "api_key", **data, store_anyway="on")
    assert kept.status_code == 302 and AuthSession.objects.get().status == "needs_reauth"
    assert CANARY not in messages_of(kept)


@pytest.mark.django_db(transaction=True)
def test_a_key_that_could_not_be_tested_is_stored_and_says_so(alice: User) -> None:
    answer = post(
        signed_in(alice), "remote", "api_key", name="later_llama", key=CANARY, base_url="http://127.0.0.1:9/v1"
    )
    assert answer.status_code == 302 and codes_of(answer) == ["connection_failed"]
    assert AuthSession.objects.get().last_error_code == "connection_failed"


@pytest.mark.django_db(transaction=True)
def test_a_login_without_a_key_is_stored(alice: User) -> None:
    assert post(signed_in(alice), "demo", "none", name="try_demo").status_code == 302
    settle()
    assert AuthSession.objects.get().auth_type == "none"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "my claude!", "invalid_name"),
        ("name", "anthropic", "invalid_name"),
        ("name", "taken", "duplicate_session"),
        ("name", "x" * 201, "200"),
        ("name", "", "required"),
        ("key", "", "required"),
        ("key", "x" * 20_000, "16384"),
        ("key", "two words", "invalid_credential"),
        ("base_url", "ftp://x", "invalid_request"),
        ("base_url", "http://10.1.2.3/", "address_refused"),
    ],
)
def test_an_error_stands_beside_its_field_and_nothing_is_stored(alice: User, field: str, value: str, code: str) -> None:
    make(alice, "taken", provider="remote", base_url="https://host.example/v1")
    data = {"name": "fine_name", "key": CANARY, "base_url": "https://host.example/v1"} | {field: value}
    answer = post(signed_in(alice), "remote", "api_key", **data)
    assert answer.status_code == 422 and AuthSession.objects.count() == 1
    found = answer.context["form"].errors[field]
    assert code in f"{found} {[error.code for error in found.as_data()]}", found
    assert copyable(answer) == ([code] if "_" in code else []), "only a typed error has a code to copy"
    assert CANARY not in answer.content.decode()


def test_connecting_needs_the_csrf_token(alice: User) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert post(client, "demo", "none", name="try_demo").status_code == 403
    assert not AuthSession.objects.exists()
