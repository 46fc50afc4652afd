"""Connect by OAuth: which flows are offered, what the form asks for, and what cannot work is said before it begins."""

import html
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_app.models import AuthSession, OAuthAttempt
from tests.unit.sessions.support import CANARY, make
from tests.vendors.auth.clients import GOOGLE_SECRET, GOOGLE_WEB
from tests.web.sessions.login_support import CONNECT, Vendors, attempt, begin, browser_at, form_of, url_of
from tests.web.sessions.support import copyable, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_cards_name_oauth_only_where_a_sign_in_can_begin(alice: User, vendors: Vendors) -> None:
    page = browser_at(alice).get(CONNECT).content.decode()
    cards = {slug: page.partition(f"?provider={slug}")[2].partition("</a>")[0] for slug in ("openrouter", "anthropic")}
    assert ">OAuth<" in cards["openrouter"] and "vendor policy" not in cards["openrouter"]
    assert ">OAuth<" not in cards["anthropic"] and "OAuth is off: vendor policy" in cards["anthropic"]
    vendors.enable("anthropic", "claude")
    page = browser_at(alice).get(CONNECT).content.decode()
    assert ">OAuth<" in page.partition("?provider=anthropic")[2].partition("</a>")[0]


def test_the_auth_type_is_a_switch_between_addresses(alice: User, vendors: Vendors) -> None:
    for kind in ("api_key", "oauth"):
        page = browser_at(alice).get(f"{CONNECT}?provider=openrouter&auth_type={kind}").content.decode()
        assert f'?provider=openrouter&amp;auth_type={kind}" aria-current="true"' in page


def test_a_flow_that_is_off_says_the_vendors_position_and_the_exact_setting(alice: User, vendors: Vendors) -> None:
    page = browser_at(alice).get(form_of("anthropic"))
    assert "Off here" in text_of(page) and "Anthropic allows this sign-in for ordinary use" in text_of(page)
    assert "MAESTRO_PROVIDERS__ANTHROPIC__ENABLED_FLOWS=claude" in copyable(page)
    assert page.context["form"] is None and "<form class" not in page.content.decode()
    refused = browser_at(alice).post(form_of("anthropic", "claude"), {"name": "my_claude", "method": "paste_code"})
    assert refused.status_code == 200 and not OAuthAttempt.objects.exists()


def test_the_position_stands_beside_a_consent_that_is_asked_for(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = client.get(form_of("openai", "chatgpt"))
    assert "What OpenAI permits" in text_of(page) and "I use it for myself, on my own machine" in text_of(page)
    assert 'rel="noopener noreferrer"' in page.content.decode()
    answer = client.post(form_of("openai", "chatgpt"), {"name": "my_gpt", "method": "paste_url"})
    assert answer.status_code == 422 and answer.context["form"].errors["consent"]
    assert not OAuthAttempt.objects.exists()
    begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    assert attempt().flow == "chatgpt"


def test_another_flow_is_another_address(alice: User, vendors: Vendors) -> None:
    vendors.enable("openai", "codex")
    page = browser_at(alice).get(form_of("openai", "codex"))
    assert page.context["flow"].name == "codex" and "flow_mode" in page.context["form"].fields
    assert [offer["enabled"] for offer in page.context["offers"]] == [True, True, False]


@pytest.mark.parametrize(
    ("where", "method", "why"),
    [
        ({"host": "localhost"}, "", ""),
        ({"host": "maestro.example", "secure": True, "REMOTE_ADDR": "203.0.113.9"}, "loopback", "another machine"),
        ({"host": "localhost", "REMOTE_ADDR": "203.0.113.9"}, "loopback", "another machine"),
        ({"host": "localhost", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, "loopback", "another machine"),
        ({"host": "maestro.example"}, "loopback", "another machine"),
        ({"host": "maestro.example"}, "callback", "https only"),
    ],
)
def test_what_cannot_work_from_here_is_said_first(
    alice: User, vendors: Vendors, where: dict[str, Any], method: str, why: str
) -> None:
    with override_settings(ALLOWED_HOSTS=["*"]):
        client = browser_at(alice, **where)
        choices = {choice.method: choice for choice in client.get(form_of("openrouter")).context["form"].choices}
        assert [choice.method for choice in choices.values() if choice.problem][:1] != list(choices)[:1]
        if not method:
            assert not any(choice.problem for choice in choices.values())
            return
        assert why in choices[method].problem
        answer = client.post(form_of("openrouter"), {"name": "my_router", "method": method})
        assert answer.status_code == 422 and why in str(answer.context["form"].errors["method"])
        assert f'value="{method}" disabled' in answer.content.decode() and not OAuthAttempt.objects.exists()


def test_behind_a_tls_proxy_the_address_of_the_connection_proves_nothing(alice: User, vendors: Vendors) -> None:
    from django.conf import settings

    proxied = settings.MAESTRO.model_copy(update={"behind_tls_proxy": True})
    with override_settings(MAESTRO=proxied):
        choices = {one.method: one for one in browser_at(alice).get(form_of("openrouter")).context["form"].choices}
    assert choices["loopback"].problem and not choices["paste_code"].problem


def test_a_callback_to_another_address_than_this_one_is_said_first(alice: User, vendors: Vendors) -> None:
    from django.conf import settings

    public = settings.MAESTRO.model_copy(update={"public_url": "https://maestro.example/"})
    with override_settings(MAESTRO=public, ALLOWED_HOSTS=["*"]):
        here = {one.method: one for one in browser_at(alice).get(form_of("openrouter")).context["form"].choices}
        assert "https://maestro.example" in here["callback"].problem
        client = browser_at(alice, "maestro.example", secure=True)
        page = begin(client, "openrouter", method="callback")
        assert "callback_url=https%3A%2F%2Fmaestro.example%2Foauth%2Fcallback%2F" in url_of(client, page)


def test_a_persons_own_client_goes_in_and_never_comes_out(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    shown = client.get(form_of("gemini", "google"))
    assert "http://localhost:8000/oauth/callback/" in copyable(shown)
    given = {"name": "my gemini", "flow_project": "proj-1", "client_id": GOOGLE_WEB, "client_secret": GOOGLE_SECRET}
    answer = client.post(form_of("gemini", "google"), given | {"method": "callback"})
    assert answer.status_code == 422 and GOOGLE_SECRET not in answer.content.decode()
    assert GOOGLE_WEB in answer.content.decode(), "only what is secret has to be typed again"
    page = begin(client, "gemini", "google", **(given | {"name": "my_gemini", "method": "callback"}))
    assert GOOGLE_WEB in url_of(client, page) and GOOGLE_SECRET not in client.get(page).content.decode()


def test_what_is_missing_stands_beside_its_field(alice: User, vendors: Vendors) -> None:
    answer = browser_at(alice).post(form_of("gemini", "google"), {"name": "my_gemini", "method": "callback"})
    assert {"flow_project", "client_id"} <= set(answer.context["form"].errors)


def test_a_key_file_is_never_rendered_again(alice: User, vendors: Vendors) -> None:
    answer = browser_at(alice).post(
        form_of("gemini", "service_account"),
        {"name": "my_robot", "method": "direct", "flow_key_file": CANARY}
        | {f"flow_{field}": CANARY for field in _fields(alice, "service_account")},
    )
    assert answer.status_code == 422 and CANARY not in answer.content.decode()
    assert CANARY not in html.unescape(text_of(answer)) and not AuthSession.objects.exists()


@pytest.mark.parametrize(("name", "code"), [("taken", "duplicate_session"), ("my gpt!", "invalid_name")])
def test_a_name_that_cannot_be_had_is_said_before_the_sign_in(
    alice: User, vendors: Vendors, name: str, code: str
) -> None:
    make(alice, "taken", provider="openrouter", auth_type="api_key")
    AuthSession.objects.filter(name="taken").update(auth_type="oauth")
    answer = browser_at(alice).post(form_of("openrouter"), {"name": name, "method": "paste_code"})
    assert answer.status_code == 422 and code in copyable(answer) and not OAuthAttempt.objects.exists()


def test_beginning_needs_the_csrf_token(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice, enforce_csrf_checks=True)
    answer = client.post(form_of("openrouter"), {"name": "my_router", "method": "paste_code"})
    assert answer.status_code == 403 and not OAuthAttempt.objects.exists()


def test_a_foreign_session_cannot_be_signed_in_again(alice: User, bob: User, vendors: Vendors) -> None:
    theirs = make(bob, "theirs", provider="openrouter")
    AuthSession.objects.filter(pk=theirs.pk).update(auth_type="oauth")
    assert browser_at(alice).get(form_of("openrouter", session=str(theirs.pk))).status_code == 404
    assert browser_at(alice).get(form_of("openrouter", session="nonsense")).status_code == 404


def _fields(user: User, flow: str) -> list[str]:
    return list(browser_at(user).get(form_of("gemini", flow)).context["form"].asked)
