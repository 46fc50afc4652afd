"""Options of sessions on the pages and in admin: a provider declares them, and they are asked for by themselves."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import providers
from providers_app.registry.discovery import registry
from sessions_app.models import AuthSession, SessionEvent
from tests.unit.providers.packages import WITH_OPTIONS, write_package
from tests.unit.sessions.support import CANARY, fresh, make
from tests.web.sessions.support import copyable, messages_of, signed_in, text_of

CONNECT = reverse("sessions:connect")
ACME = f"{CONNECT}?provider=zz_acme&auth_type=api_key"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A provider that was dropped in and declares two options."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    registry.reset()
    write_package(tmp_path, "zz_acme", {"__init__.py": WITH_OPTIONS})
    yield
    for name in [name for name in sys.modules if name.startswith("providers_app.providers.zz_")]:
        del sys.modules[name]
    monkeypatch.undo()
    registry.reset()


def acme(alice: User, **options: str) -> AuthSession:
    return make(alice, "my_acme", provider="zz_acme", settings={"region": "eu", **options})


def test_the_connect_page_asks_for_them_and_folds_the_advanced_ones(alice: User) -> None:
    page = signed_in(alice).get(ACME)
    body = page.content.decode()
    assert "Region" in text_of(page) and "Where <it> runs." in text_of(page) and "<it>" not in body
    fold = body[body.index("option-fold") :]
    assert 'name="option_tenant"' in fold and 'name="option_region"' not in fold
    assert " open" not in fold[: fold.index(">")]
    assert 'name="option_' not in signed_in(alice).get(f"{CONNECT}?provider=demo").content.decode()


@pytest.mark.django_db(transaction=True)
def test_they_are_stored_with_the_session(alice: User) -> None:
    data = {"name": "my_acme", "key": "k" * 20, "option_region": "us", "option_tenant": ""}
    answer = signed_in(alice).post(ACME, data)
    assert answer.status_code == 302, text_of(answer)
    assert AuthSession.objects.get().options == {"region": "us"}


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"option_region": ""}, "option_region", "required"),
        ({"option_region": "mars"}, "option_region", "mars is not one of"),
        ({"option_region": "eu", "option_tenant": "A1"}, "option_tenant", "A tenant is small letters."),
        ({"option_region": "eu", "option_tenant": "sk-" + "a" * 40}, "option_tenant", "looks like a key"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(alice: User, given: dict[str, str], field: str, words: str) -> None:
    answer = signed_in(alice).post(ACME, {"name": "my_acme", "key": CANARY, **given})
    assert answer.status_code == 422 and not AuthSession.objects.exists()
    errors = answer.context["form"].errors
    assert list(errors) == [field] and words in " ".join(errors[field])
    body = answer.content.decode()
    assert CANARY not in body
    if field == "option_tenant":
        fold = body[body.index("option-fold") :]
        assert " open" in fold[: fold.index(">")], "an error is not hidden in a fold"


@pytest.mark.django_db(transaction=True)
def test_the_sessions_page_changes_them_and_keeps_the_key(alice: User) -> None:
    session = acme(alice)
    client = signed_in(alice)
    page = client.get(reverse("sessions:detail", args=[session.pk]))
    assert "Save options" in text_of(page)
    answer = client.post(
        reverse("sessions:options", args=[session.pk]), {"option_region": "us", "option_tenant": "acme"}
    )
    assert answer.status_code == 302 and "works with them" in messages_of(answer)
    row = fresh(session)
    assert row.options == {"region": "us", "tenant": "acme"} and row.key_id and row.status == "active"
    event = SessionEvent.objects.get(action="options-changed")
    assert event.actor == alice and event.detail == "region = us, tenant = acme"
    again = client.post(
        reverse("sessions:options", args=[session.pk]), {"option_region": "us", "option_tenant": "acme"}
    )
    assert "already" in messages_of(again) and SessionEvent.objects.filter(action="options-changed").count() == 1


def test_limits_stand_by_themselves_and_saving_them_asks_no_provider(alice: User) -> None:
    session = make(alice, "work_claude")
    page = signed_in(alice).get(reverse("sessions:detail", args=[session.pk])).content.decode()
    assert "<summary>Limits</summary>" in page and "Requests per minute" in page
    address = reverse("sessions:options", args=[session.pk])
    answer = signed_in(alice).post(
        address, {"option_requests_per_minute": "30", "option_max_retries": "0"}, follow=True
    )
    assert "The limits are saved." in messages_of(answer)
    assert fresh(session).options == {"requests_per_minute": "30", "max_retries": "0"} and not fresh(session).tested_at
    answer = signed_in(alice).post(address, {"option_requests_per_minute": "0"})
    assert answer.status_code == 422 and "must be a whole number from 1" in text_of(answer)


def test_a_wrong_change_is_said_and_stores_nothing(alice: User, bob: User) -> None:
    session = acme(alice)
    address = reverse("sessions:options", args=[session.pk])
    answer = signed_in(alice).post(address, {"option_region": "eu", "option_tenant": "NO"})
    assert answer.status_code == 422 and "A tenant is small letters." in text_of(answer)
    assert "invalid_option" in copyable(answer)
    assert signed_in(bob).post(address, {"option_region": "us"}).status_code == 404
    assert fresh(session).options == {"region": "eu"}


def test_admin_takes_options_that_a_browser_only_posts_back_for_unchanged(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    session = acme(alice, tenant="acme")
    client = signed_in(alice)
    address = reverse("admin:sessions_app_authsession_change", args=[session.pk])
    data = {"name": "my_acme", "base_url": "", "key": "", "chosen": "region=eu\r\ntenant=acme"}
    AuthSession.objects.filter(pk=session.pk).update(provider="zz_gone")
    answer = client.post(address, data | {"name": "renamed"})
    assert answer.status_code == 302, text_of(answer)
    assert (fresh(session).name, fresh(session).options) == ("renamed", {"region": "eu", "tenant": "acme"})
    AuthSession.objects.filter(pk=session.pk).update(provider="zz_acme")
    assert client.post(address, data | {"chosen": "tenant=acme\r\n\r\nregion=us\r\n"}).status_code == 302
    assert fresh(session).options == {"region": "us", "tenant": "acme"}
    assert client.post(address, data | {"chosen": "region=us\r\n"}).status_code == 302
    assert fresh(session).options == {"region": "us"}


def test_admin_keeps_what_a_copied_address_says(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    options = {"surface": "classic", "api_version": "2024-10-21"}
    session = make(alice, "azure", provider="azure_openai", settings=options, base_url="https://one.openai.azure.com")
    address = reverse("admin:sessions_app_authsession_change", args=[session.pk])
    copied = "https://two.openai.azure.com?api-version=2025-01-01-preview"
    data = {"name": "azure", "base_url": copied, "key": ""}
    answer = signed_in(alice).post(address, data | {"chosen": "surface=classic\r\napi_version=2024-10-21"})
    assert answer.status_code == 302, text_of(answer)
    assert fresh(session).options["api_version"] == "2025-01-01-preview"
    copied = copied.replace("two", "three").replace("2025-01-01", "2025-03-01")
    data |= {"base_url": copied, "chosen": "surface=classic\r\napi_version=2025-01-01-preview\r\napi=chat"}
    answer = signed_in(alice).post(address, data)
    assert answer.status_code == 302, text_of(answer)
    assert fresh(session).options == {"surface": "classic", "api_version": "2025-03-01-preview", "api": "chat"}


def test_admin_shows_and_changes_them(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    session = acme(alice)
    client = signed_in(alice)
    address = reverse("admin:sessions_app_authsession_change", args=[session.pk])
    page: Any = client.get(address)
    assert "region=eu" in page.content.decode()
    data = {"name": "my_acme", "base_url": "", "key": "", "status": "active"}
    answer = client.post(address, data | {"chosen": "region=us\r\ntenant=acme"})
    assert answer.status_code == 302, text_of(answer)
    assert fresh(session).options == {"region": "us", "tenant": "acme"}
    wrong = client.post(address, data | {"chosen": "regoin=us"})
    assert "Did you mean" in text_of(wrong) and "invalid_option" in text_of(wrong)
    assert fresh(session).options == {"region": "us", "tenant": "acme"}
