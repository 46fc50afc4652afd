"""What a person reads on the way: the choices of a flow's field, whose login it is, what a session tells of it."""

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from context_app.models import Context
from context_app.services import chunks
from providers_app import errors
from providers_app.providers.openai.oauth import BEHAVIOUR
from providers_app.sign_in.checks import checked_given
from sessions_app.models import AuthSession
from tests.unit.sessions.commands import Run, run
from tests.web.sessions.login_support import Vendors, attempt, begin, browser_at, form_of, url_of
from tests.web.sessions.support import text_of
from tests.web.sessions.test_login_pages import at, signed_in_session

__all__ = ["run"]

pytestmark = pytest.mark.django_db(transaction=True)


def options(html: str) -> list[tuple[str, str]]:
    """Value and text of the options of the select ``flow_mode``, the chosen one marked with a star."""
    select = re.search(r'<select name="flow_mode".*?</select>', html, re.DOTALL)
    assert select is not None
    found = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)</option>', select[0])
    return [(value + ("*" if chosen else ""), text) for value, chosen, text in found]


def test_the_mode_is_chosen_from_a_list(alice: User, vendors: Vendors) -> None:
    vendors.enable("openai", "codex")
    client = browser_at(alice)
    shown = options(client.get(form_of("openai", "codex")).content.decode())
    assert [value for value, _ in shown] == ["auto", "chatgpt", "api_key"]
    assert shown[0][1] == "By the account&#x27;s plan"
    answer = client.post(form_of("openai", "codex"), {"name": "mine", "flow_mode": "fast", "method": "paste_url"})
    assert answer.status_code == 422 and "flow_mode" in answer.context["form"].errors


def test_a_mode_that_was_chosen_is_offered_again_when_signing_in_again(alice: User, vendors: Vendors) -> None:
    vendors.enable("openai", "codex")
    client = browser_at(alice)
    vendors.openai.add_account("acct-1", "ada@example.com", plan="enterprise")
    page = begin(client, "openai", "codex", method="paste_url", flow_mode="chatgpt")
    client.post(at(page, "answer"), {"answer": vendors.openai.approve(url_of(client, page))})
    session = AuthSession.objects.get()
    assert session.settings["mode"] == "chatgpt" and session.settings["mode_source"] == "override"
    again = client.get(form_of("openai", "codex", session=str(session.pk))).content.decode()
    assert [value for value, _ in options(again)] == ["auto", "chatgpt*", "api_key"]


def test_choices_are_checked_wherever_a_sign_in_begins(vendors: Vendors) -> None:
    flow = next(flow for flow in BEHAVIOUR.flows if flow.name == "codex")
    assert checked_given(flow, {"mode": "API-key"})["mode"].reveal() == "api_key"
    with pytest.raises(errors.InvalidRequest) as caught:
        checked_given(flow, {"mode": "fast"})
    assert "fast" in caught.value.message and "auto, chatgpt, api_key" in caught.value.hint


def test_the_terminal_lists_the_choices(alice: User, run: Run) -> None:
    code, out, _ = run("sessions", "flows", "openai")
    assert code == 0 and "--field mode=auto|chatgpt|api_key: How the account is used (optional)" in out


def test_a_login_of_one_chatgpt_account_says_so_to_another(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    session = signed_in_session(client, vendors)
    page = client.post(reverse("sessions:reauthorize", args=[session.pk]))["Location"]
    client.post(at(page, "answer"), {"answer": vendors.openai.approve(url_of(client, page), account="acct-2")})
    shown = text_of(client.get(page))
    assert "This login belongs to one ChatGPT account" in shown and "connect a new session" in shown
    assert "id and secret" not in shown and attempt().status == "failed"
    assert AuthSession.objects.get().account_label == "ada@example.com"


def test_another_account_is_called_by_its_name(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    session = signed_in_session(client, vendors, "codex")
    page = client.post(reverse("sessions:reauthorize", args=[session.pk]))["Location"]
    client.post(at(page, "answer"), {"answer": vendors.openai.approve(url_of(client, page), account="acct-2")})
    shown = text_of(client.get(page))
    assert "With grace@example.com, every chat" in shown and "Sign in as ada@example.com" in shown


def test_the_card_of_a_sign_in_says_its_flow_once(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    session = signed_in_session(client, vendors, "codex")
    html = client.get(reverse("sessions:detail", args=[session.pk])).content.decode()
    assert html.count("<dt>Flow</dt>") == 1 and "<dt>Mode</dt>" in html and "Mode source" not in html


def test_only_a_flow_that_is_only_imported_leads_to_the_import(alice: User, vendors: Vendors) -> None:
    vendors.enable("anthropic", "claude")
    html = browser_at(alice).get(form_of("anthropic")).content.decode()
    cards = [card for card in html.split('login-flow is-off">')[1:] if "Import its files" in card.split("</li>")[0]]
    assert len(cards) == 1 and "Profile of the Anthropic CLI" in cards[0].split("</li>")[0]
    assert f'class="login-link" href="{reverse("sessions:import")}"' in cards[0]


def test_the_preview_says_what_the_login_changes_in_the_request(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    session = signed_in_session(client, vendors, "codex")
    context = Context.objects.create(owner=alice, session=session, model="gpt-5.6", params={"max_output_tokens": 900})
    chunks.append(context=context, kind="user", role="user", content="Hello")
    shown = text_of(client.get(reverse("chats:preview", args=[context.pk])))
    assert "Not sent as it was asked for" in shown and "max_output_tokens is not sent" in shown


def test_the_chat_command_says_it_beside_the_answer(alice: User, vendors: Vendors, run: Run) -> None:
    session = signed_in_session(browser_at(alice), vendors, "codex")
    code, out, err = run("chat", session.name, "Hello", "--model", "gpt-5.6")
    assert code == 0 and out and "Empty instructions are sent" not in out
    assert err.count("Empty instructions are sent") == 1
    code, out, err = run("chat", session.name, "Hello", "--model", "gpt-5.6", "--json")
    assert code == 0 and err == "" and "Empty instructions are sent" in out.splitlines()[0]
