"""Parts of a session's page that follow its status, and codes that can be copied wherever an error is told."""

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app.errors import AuthenticationFailed
from providers_app.types.credentials import Secret
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle, outcomes
from tests.unit.sessions.support import fresh, make
from tests.vendors.server import VendorServer
from tests.web.sessions.support import HTMX, copyable, signed_in, text_of


def url(name: str, session: AuthSession) -> str:
    return reverse(f"sessions:{name}", args=[session.pk])


def part(page: str, name: str) -> str:
    """The element with this id, up to the next one with an id that starts the same way."""
    found = re.search(rf'<(\w+) id="{name}".*?</\1>', page, re.DOTALL)
    assert found, f"{name} is not there"
    return found[0]


def test_enabling_brings_the_chat_button_and_the_switch_back_in_the_same_answer(alice: User) -> None:
    session = make(alice)
    client = signed_in(alice)
    lifecycle.disable(session)
    page = client.get(url("detail", session)).content.decode()
    assert "Chat" not in part(page, "session-chat") and "Enable" in part(page, "session-switch")
    on = client.post(url("enable", session), {"part": "detail"}, headers=HTMX)
    answer = on.content.decode()
    assert "Chat" in part(answer, "session-chat") and 'hx-swap-oob="true"' in part(answer, "session-chat")
    assert "Disable" in part(answer, "session-switch") and 'hx-swap-oob="true"' in part(answer, "session-switch")
    assert "sessions-changed" in on["HX-Trigger"]
    off = client.post(url("disable", session), {"part": "detail"}, headers=HTMX).content.decode()
    assert "Chat" not in part(off, "session-chat") and "Enable" in part(off, "session-switch")
    lifecycle.enable(session)
    assert "Chat" in part(client.get(url("status", session), headers=HTMX).content.decode(), "session-chat")


def test_the_models_are_asked_again_when_the_status_changes_and_ids_are_there_once(alice: User) -> None:
    page = signed_in(alice).get(url("detail", make(alice))).content.decode()
    models = re.search(r'<div id="session-models"[^>]*>', page)
    assert models and "sessions-changed from:body" in models[0] and "sessions-reload from:body" in models[0]
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) and "hx-swap-oob" not in page


def test_a_message_of_the_page_before_shows_its_code_to_be_copied(alice: User) -> None:
    session = make(alice, provider="remote", base_url="http://127.0.0.1:9/v1")
    client = signed_in(alice)
    page = client.post(url("test", session), follow=True)
    toast = re.search(r'<div class="toast [^"]*" data-toast>.*?</div>', page.content.decode(), re.DOTALL)
    assert toast and "could not be reached" in toast[0] and 'data-copy="connection_failed"' in toast[0]
    assert "[connection_failed]" not in text_of(page)


def test_a_form_shows_the_code_of_a_typed_error_only(alice: User) -> None:
    session = make(alice, "before")
    client = signed_in(alice)
    typed = client.post(url("rename", session), {"name": "<b>"})
    assert "invalid_name" in copyable(typed) and "[invalid_name]" not in text_of(typed)
    in_row = client.post(url("rename", session), {"part": "row", "name": "no spaces!"}, headers=HTMX)
    assert copyable(in_row) == ["invalid_name"]
    missing = client.post(url("rename", session), {"part": "row", "name": ""}, headers=HTMX)
    assert "This field is required." in text_of(missing) and copyable(missing) == []


@pytest.mark.django_db(transaction=True)
def test_a_server_that_wants_a_key_never_asks_a_session_without_one_to_replace_it(
    alice: User, vendor: VendorServer
) -> None:
    session = make(alice, provider="remote", auth_type="none", secret=Secret(""), base_url=vendor.base_url)
    answer = signed_in(alice).post(url("test", session), {"part": "detail"}, headers=HTMX)
    words = text_of(answer)
    assert "Misconfigured" in words and "Test again" in words
    assert "Replace key" not in words and "re-auth" not in words
    assert "Replace it" not in answer["HX-Trigger"] and "connect it anew with a key" in answer["HX-Trigger"]
    assert fresh(session).status == "misconfigured"


def test_a_demo_session_keeps_its_state_whatever_its_model_was_chosen_to_do(alice: User) -> None:
    session = make(alice, provider="demo", auth_type="none", secret=Secret(""))
    outcomes.record(session.pk, AuthenticationFailed("as its name says", status=401), tested=False)
    words = text_of(signed_in(alice).get(url("detail", session)))
    assert "Active" in words and "Replace key" not in words and "as its name says" not in words
