"""The page of a sign-in: each way to its end, what it says meanwhile, and that it is nobody else's."""

import json
import re
import time
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from providers_app import errors
from providers_app.registry.resolver import resolve
from sessions_app.models import AuthSession, OAuthAttempt
from tests.unit.sessions.support import make
from tests.vendors.auth.workloads import add_service_account
from tests.web.sessions.login_support import (
    Browser,
    Vendors,
    attempt,
    begin,
    browser_at,
    form_of,
    secrets_of_attempt,
    url_of,
)
from tests.web.sessions.support import HTMX, codes_of, copyable, messages_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def at(page: str, part: str) -> str:
    return f"{page}{part}/"


def until(client: Browser, page: str, phase: str, seconds: float = 60) -> Any:
    """Ask as the page does, until it is in this phase; the answer then."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        answer = client.get(page)
        if answer.context["view"].phase == phase:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"still {answer.context['view'].phase}: {text_of(answer)[-400:]}")


def test_a_pasted_address_becomes_a_tested_session(alice: User, vendors: Vendors) -> None:
    vendors.openai.add_account("acct-1", "ada@example.com", plan="plus")
    client = browser_at(alice)
    page = begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    shown = client.get(page)
    assert "Sign in with ChatGPT" in text_of(shown) and "Paste the address you landed on" in text_of(shown)
    assert "You agreed: I use it for myself" in text_of(shown) and "This attempt ends in 9:5" in text_of(shown)
    location = vendors.openai.approve(url_of(client, page))
    answer = client.post(at(page, "answer"), {"answer": location})
    session = AuthSession.objects.get()
    assert answer.status_code == 303 and answer["Location"] == reverse("sessions:detail", args=[session.pk])
    assert session.auth_type == "oauth" and session.tested_at and session.account_label == "ada@example.com"
    assert "signed in as ada@example.com, and it works" in messages_of(answer)


def test_a_pasted_code_will_do_where_the_page_shows_one(alice: User, vendors: Vendors) -> None:
    vendors.enable("anthropic", "claude")
    client = browser_at(alice)
    page = begin(client, "anthropic", "claude", method="paste_code", consent="on")
    code = vendors.anthropic.approve(url_of(client, page))
    assert client.post(at(page, "answer"), {"answer": code}).status_code == 303
    assert AuthSession.objects.get().flow == "claude"


def test_a_device_code_goes_on_by_itself(alice: User, vendors: Vendors) -> None:
    vendors.enable("openai", "device")
    client = browser_at(alice)
    page = begin(client, "openai", "device", method="device")
    shown = client.get(page)
    code = shown.context["waiting"].user_code
    assert code in text_of(shown) and "Waiting for you to type it" in text_of(shown)
    assert shown.context["form"] is None and "Never give it to anybody" in text_of(shown)
    assert vendors.openai.enter_device_code(code)
    done = until(client, page, "done")
    assert f'hx-post="{at(page, "finish")}"' in done.content.decode()
    finish = client.post(at(page, "finish"), headers=HTMX)
    session = AuthSession.objects.get()
    assert finish["HX-Redirect"] == reverse("sessions:detail", args=[session.pk]) and session.tested_at


def test_a_listener_on_this_machine_goes_on_by_itself(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="loopback")
    assert "Listening" in text_of(client.get(page))
    location = vendors.openrouter.approve(url_of(client, page))
    with urllib.request.urlopen(location, timeout=60) as landed:
        assert b"Close this tab" in landed.read()
    until(client, page, "done")
    answer = client.post(at(page, "finish"))
    assert answer.status_code == 303 and "it works" in messages_of(answer)
    waited = client.get(at(page, "state") + "?mark=open.listening.", headers=HTMX)
    assert waited["HX-Redirect"] == answer["Location"], "a tab that waited goes on too"
    again = client.get(page)
    assert at(page, "finish") not in again.content.decode(), "a page that is opened later does not go on by itself"
    assert "Go to the session" in text_of(again)


def test_a_key_file_needs_no_browser_and_its_page_goes_on(alice: User, vendors: Vendors) -> None:
    key = json.dumps(add_service_account(vendors.google, "bot@local.iam.gserviceaccount.com"))
    client = browser_at(alice)
    page = begin(client, "gemini", "service_account", method="direct", flow_service_account=key)
    shown = client.get(page)
    assert at(page, "finish") in shown.content.decode() and "PRIVATE KEY" not in shown.content.decode()
    assert "it works" in messages_of(client.post(at(page, "finish")))
    session = AuthSession.objects.get()
    again = client.post(reverse("sessions:reauthorize", args=[session.pk]))["Location"]
    assert again.startswith(reverse("sessions:connect")), "the file is not kept to be used again: it is asked for"
    form = client.get(again)
    assert "name" not in form.context["form"].fields and session.name in text_of(form)
    assert client.post(again, {"method": "direct", "flow_service_account": key}).status_code == 302
    assert AuthSession.objects.get().generation > session.generation


def test_asking_again_and_again_costs_nothing_while_nothing_changes(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="paste_code")
    body = client.get(page).content.decode()
    found = re.search(r'hx-get="([^"]+/state/\?mark=[^"]+)" hx-trigger="every 1500ms"', body)
    assert found, "the state card asks every 1.5 s"
    assert client.get(found[1], headers=HTMX).status_code == 204
    assert client.get(found[1].partition("?")[0], headers=HTMX).status_code == 200
    client.post(at(page, "cancel"))
    over = client.get(found[1], headers=HTMX)
    assert (
        over.status_code == 200 and over["HX-Retarget"] == "#login-body" and "every 1500ms" not in over.content.decode()
    )
    assert "Sign-in cancelled" in text_of(over)
    assert client.get(found[1]).status_code == 302, "without htmx the part is no page"


@pytest.mark.parametrize(
    ("pasted", "fits", "words"),
    [
        ("{location}", True, "Code found, and it belongs to this attempt"),
        ("https://host/?code=abc&state=other", False, "belongs to another sign-in"),
        ("two words", False, "neither an address nor a code"),
        ("abcdef", False, "does not say which sign-in it belongs to"),
        ("", False, ""),
    ],
)
def test_a_paste_is_looked_at_before_it_is_spent(
    alice: User, vendors: Vendors, pasted: str, fits: bool, words: str
) -> None:
    client = browser_at(alice)
    page = begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    location = vendors.openai.approve(url_of(client, page))
    answer = client.post(at(page, "check"), {"answer": pasted.format(location=location)}, headers=HTMX)
    assert answer.context["fits"] is fits and words in text_of(answer)
    assert vendors.openai.ledger == [] and attempt().status == "waiting", "looking spends nothing"
    assert location not in answer.content.decode()


def test_a_bare_code_is_never_called_ours_before_it_was_tried(alice: User, vendors: Vendors) -> None:
    vendors.enable("anthropic", "claude")
    client = browser_at(alice)
    page = begin(client, "anthropic", "claude", method="paste_code", consent="on")
    answer = client.post(at(page, "check"), {"answer": "abcdefgh"}, headers=HTMX)
    assert "can be a code" in text_of(answer) and "belongs to this attempt" not in text_of(answer)


def test_a_malformed_paste_stands_beside_the_field_and_spends_nothing(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    location = vendors.openai.approve(url_of(client, page))
    for pasted in ("not an answer at all", "https://host/?code=abc&state=other", "", "x" * 9_000):
        answer = client.post(at(page, "answer"), {"answer": pasted})
        assert answer.status_code == 422 and answer.context["form"].errors["answer"]
        assert "code=abc" not in answer.content.decode() and attempt().status == "waiting"
    assert client.post(at(page, "answer"), {"answer": location}).status_code == 303


def test_a_denied_consent_says_so_and_begins_again_in_one_step(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    denied = vendors.openai.approve(url_of(client, page), deny=True)
    assert client.post(at(page, "answer"), {"answer": denied})["Location"] == page
    shown = client.get(page)
    assert "did not work" in text_of(shown) and copyable(shown) == ["login_denied"] and "Begin again" in text_of(shown)
    again = client.post(at(page, "again"))
    assert again.status_code == 303 and again["Location"] != page
    newest = attempt()
    assert (newest.flow, newest.name, newest.method) == ("chatgpt", "my_openai_login", "paste_url")
    assert AuthSession.objects.count() == 0


def test_a_replayed_answer_is_refused(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    location = vendors.openai.approve(url_of(client, page))
    client.post(at(page, "answer"), {"answer": location})
    assert client.post(at(page, "answer"), {"answer": location})["Location"] == page
    assert AuthSession.objects.count() == 1 and len(vendors.openai.ledger) == 1


def test_an_attempt_that_ran_out_says_so(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="paste_code")
    code = vendors.openrouter.approve(url_of(client, page))
    OAuthAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    shown = client.get(page)
    assert "This attempt has ended" in text_of(shown) and "ends in" not in text_of(shown)
    assert client.post(at(page, "answer"), {"answer": code})["Location"] == page
    assert not AuthSession.objects.exists() and client.post(at(page, "again")).status_code == 303


def test_another_way_ends_this_one(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="callback")
    assert "Another way" in text_of(client.get(page))
    other = client.post(at(page, "again"), {"method": "paste_code"})["Location"]
    assert "Paste the code that it shows" in text_of(client.get(other))
    assert client.get(page).context["view"].phase == "cancelled"
    assert client.post(at(page, "again"), {"method": "nonsense"})["Location"].startswith(form_of("openrouter")[:20])


def test_cancelling_stores_nothing_and_destroys_what_waited(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="paste_code")
    answer = client.post(at(page, "cancel"))
    assert answer["Location"] == reverse("sessions:list") and "cancelled" in messages_of(answer)
    assert not bytes(attempt().sealed_pending) and not AuthSession.objects.exists()


def signed_in_session(client: Browser, vendors: Vendors, flow: str = "chatgpt") -> AuthSession:
    """A session of the account ada@example.com."""
    vendors.enable("openai", "codex")
    vendors.openai.add_account("acct-1", "ada@example.com")
    vendors.openai.add_account("acct-2", "grace@example.com")
    page = begin(client, "openai", flow, method="paste_url", consent="on")
    client.post(at(page, "answer"), {"answer": vendors.openai.approve(url_of(client, page))})
    return AuthSession.objects.get()


def test_signing_in_again_keeps_the_row(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    before = signed_in_session(client, vendors)
    page = client.post(reverse("sessions:reauthorize", args=[before.pk]))["Location"]
    assert "keeps its name" in text_of(client.get(page)) and attempt().target_id == before.pk
    location = vendors.openai.approve(url_of(client, page))
    answer = client.post(at(page, "answer"), {"answer": location})
    after = AuthSession.objects.get()
    assert answer["Location"] == reverse("sessions:detail", args=[before.pk])
    assert after.pk == before.pk and after.generation > before.generation
    assert "signed in again as ada@example.com" in messages_of(answer)


@pytest.mark.parametrize("deed", ["confirm", "cancel"])
def test_another_account_waits_for_a_word(alice: User, vendors: Vendors, deed: str) -> None:
    client = browser_at(alice)
    # Not with ChatGPT's own sign-in: its client belongs to one account, so its page refuses any other.
    before = signed_in_session(client, vendors, "codex")
    page = client.post(reverse("sessions:reauthorize", args=[before.pk]))["Location"]
    location = vendors.openai.approve(url_of(client, page), account="acct-2")
    assert client.post(at(page, "answer"), {"answer": location})["Location"] == page
    shown = client.get(page)
    assert "another account" in text_of(shown) and "Use this account" in text_of(shown)
    assert "ada@example.com" in text_of(shown) and "grace@example.com" in text_of(shown)
    assert AuthSession.objects.get().generation == before.generation, "nothing is changed yet"
    answer = client.post(at(page, deed))
    after = AuthSession.objects.get()
    assert answer["Location"] == reverse("sessions:detail", args=[before.pk])
    assert after.account_label == ("grace@example.com" if deed == "confirm" else "ada@example.com")
    assert (after.generation > before.generation) is (deed == "confirm")


def test_a_last_step_that_failed_is_tried_again_by_a_button(
    alice: User, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaviour = resolve("openai", "oauth")
    working = behaviour.api_credentials

    async def away(tokens: object, http: object) -> None:
        raise errors.ConnectionFailed("The key endpoint could not be reached.")

    vendors.enable("openai", "codex")
    client = browser_at(alice)
    page = begin(client, "openai", "codex", method="paste_url", consent="on")
    monkeypatch.setattr(type(behaviour), "api_credentials", lambda self, tokens, http: away(tokens, http))
    location = vendors.openai.approve(url_of(client, page))
    assert client.post(at(page, "answer"), {"answer": location})["Location"] == page
    shown = text_of(client.get(page))
    assert "not finished yet" in shown and "key endpoint could not be reached" in shown and "Try again" in shown
    client.post(at(page, "confirm"))
    assert attempt().status == "confirm" and "Try again" in text_of(client.get(page))
    monkeypatch.setattr(type(behaviour), "api_credentials", lambda self, tokens, http: working(tokens, http))
    client.post(at(page, "confirm"))
    assert attempt().status == "done" and AuthSession.objects.get().status == "active"


def test_a_session_with_a_key_is_sent_to_its_key(alice: User, vendors: Vendors) -> None:
    session = make(alice)
    answer = browser_at(alice).post(reverse("sessions:reauthorize", args=[session.pk]))
    assert answer["Location"] == reverse("sessions:detail", args=[session.pk]) + "#key"


def test_a_first_call_that_fails_is_said_and_the_login_is_kept(alice: User, vendors: Vendors) -> None:
    vendors.enable("anthropic", "claude")
    vendors.anthropic.blocked = "This credential is only authorized for use with Claude Code."
    client = browser_at(alice)
    page = begin(client, "anthropic", "claude", method="paste_code", consent="on")
    answer = client.post(at(page, "answer"), {"answer": vendors.anthropic.approve(url_of(client, page))})
    assert answer.status_code == 303 and codes_of(answer), messages_of(answer)
    assert "its first call failed" in messages_of(answer) and AuthSession.objects.get().status != "active"


def test_a_mode_that_was_only_assumed_is_said(alice: User, vendors: Vendors) -> None:
    vendors.enable("openai", "codex")
    vendors.openai.add_account("acct-1", "ada@corp.example", plan="mystery", organization_id="org-1", project_id="p-1")
    client = browser_at(alice)
    page = begin(client, "openai", "codex", method="paste_url")
    answer = client.post(at(page, "answer"), {"answer": vendors.openai.approve(url_of(client, page))})
    assert answer.status_code == 303 and "asked in API-key mode" in messages_of(answer)


PARTS = ("", "state", "check", "answer", "confirm", "cancel", "again", "finish")
READ = ("", "state")


@pytest.mark.parametrize("part", PARTS)
def test_it_is_nobody_elses_and_no_other_browsers(alice: User, bob: User, vendors: Vendors, part: str) -> None:
    page = begin(browser_at(alice), "openrouter", method="paste_code")
    address = at(page, part) if part else page
    for other in (browser_at(bob), browser_at(alice)):
        answer = other.get(address) if part in READ else other.post(address, {"answer": "abc#def"})
        assert answer.status_code == 404 and "unknown_login" in copyable(answer)
        assert "Nothing waits for this sign-in" in text_of(answer) and attempt().status == "waiting"
    out = browser_at(None)
    answer = out.get(address) if part in READ else out.post(address)
    assert answer.status_code == 302 and answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("part", [part for part in PARTS if part not in READ])
def test_deeds_need_the_csrf_token(alice: User, vendors: Vendors, part: str) -> None:
    client = browser_at(alice, enforce_csrf_checks=True)
    client.handler.enforce_csrf_checks = False
    page = begin(client, "openrouter", method="paste_code")
    client.handler.enforce_csrf_checks = True
    assert client.post(at(page, part), {"answer": "abc#def"}).status_code == 403
    assert attempt().status == "waiting"
    assert client.get(at(page, part)).status_code == 405, "a link can do nothing"


def test_a_poll_for_what_is_gone_reloads_the_page_once(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="paste_code")
    OAuthAttempt.objects.all().delete()
    assert client.get(at(page, "state"), headers=HTMX)["HX-Refresh"] == "true"


def test_no_page_has_a_secret_in_it(alice: User, vendors: Vendors) -> None:
    vendors.enable("openai", "device")
    for slug, flow, given in (
        ("openai", "chatgpt", {"method": "paste_url", "consent": "on"}),
        ("openai", "device", {"method": "device"}),
        ("openrouter", "", {"method": "paste_code"}),
    ):
        client = browser_at(alice)
        page = begin(client, slug, flow, name=f"{slug}_{flow or 'own'}", **given)
        secrets = secrets_of_attempt(alice)
        shown = client.get(page)
        assert secrets and shown["Cache-Control"].find("no-store") >= 0
        for secret in secrets:
            if secret not in url_of(client, page):  # the nonce is meant for the provider's page
                assert secret not in shown.content.decode()


def test_the_number_of_queries_does_not_grow(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openrouter", method="paste_code")
    client.get(page)

    def queries(address: str, **extra: Any) -> int:
        with CaptureQueriesContext(connection) as found:
            client.get(address, **extra)
        return len(found)

    few = queries(page), queries(at(page, "state"), headers=HTMX), queries(form_of("openrouter"))
    for number in range(8):
        make(alice, f"other_{number}", provider="openrouter")
        begin(client, "openrouter", method="paste_code", name=f"more_{number}")
    assert (queries(page), queries(at(page, "state"), headers=HTMX), queries(form_of("openrouter"))) == few
