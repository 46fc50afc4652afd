"""The model picker, the parameters, and the preview of the request."""

import json
from typing import Any

import pytest
from django.urls import reverse

from context_app.models import Context, ContextChunk, Turn
from context_app.sending import NOT_RUN
from providers_app import provider
from providers_app.loop import run
from sessions_app.models import AuthSession
from tests.web.context.conftest import Person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo(ada: Person) -> Person:
    """Ada with a session that the provider core made itself."""
    made = run(provider.create_session("demo", "none", name="try_demo", owner=ada.user.pk), timeout=10)
    ada.session = AuthSession.objects.get(pk=made.id)
    ada.context.session = ada.session
    ada.context.save()
    return ada


def test_models_are_listed_with_window_and_price(demo: Person) -> None:
    html = demo.client.get(reverse("chats:models"), {"session": str(demo.session.pk), "model": "demo"}).content.decode()
    assert 'data-model="demo"' in html
    assert 'aria-selected="true"' in html
    assert "128k" in html


def test_a_provider_that_gives_no_models_is_named(demo: Person) -> None:
    broken = AuthSession.objects.create(owner=demo.user, provider="nonesuch", auth_type="api_key", name="broken")
    html = demo.client.get(reverse("chats:models"), {"session": str(broken.pk)}).content.decode()
    assert "could not be listed" in html
    assert "data-copy=" in html


@pytest.mark.parametrize("session", ["", "x", "00000000-0000-4000-8000-000000000000"])
def test_models_of_an_unknown_session_are_404(demo: Person, session: str) -> None:
    assert demo.client.get(reverse("chats:models"), {"session": session}).status_code == 404


def test_choosing_changes_the_chat_and_the_meter(demo: Person) -> None:
    url = reverse("chats:choose", args=[demo.context.pk])
    html = demo.client.post(url, {"session": str(demo.session.pk), "model": "demo-instant"}).content.decode()
    assert 'id="picker-button"' in html
    assert 'id="context-meter"' in html
    assert Context.objects.get(pk=demo.context.pk).model == "demo-instant"
    assert demo.client.post(url, {"session": "x", "model": ""}).status_code == 422


def test_choosing_a_foreign_session_is_404(demo: Person, eve: Person) -> None:
    url = reverse("chats:choose", args=[demo.context.pk])
    assert demo.client.post(url, {"session": str(eve.session.pk), "model": "demo"}).status_code == 404


def test_parameters_are_stored_under_their_names(demo: Person) -> None:
    url = reverse("chats:params", args=[demo.context.pk])
    data = {"temperature": "0.5", "max_output_tokens": "800", "reasoning_effort": "low", "system": "Be brief."}
    response = demo.client.post(url, data)
    assert response.status_code == 200
    assert Context.objects.get(pk=demo.context.pk).params == {
        "temperature": 0.5,
        "max_output_tokens": 800,
        "reasoning_effort": "low",
    }
    assert ContextChunk.objects.get(kind="system").content == "Be brief."
    assert "Be brief." in response.content.decode()


@pytest.mark.parametrize(
    ("field", "value"), [("temperature", "3"), ("temperature", "warm"), ("max_output_tokens", "0"), ("top_p", "1.5")]
)
def test_what_the_validator_refuses_is_said_beside_the_field(demo: Person, field: str, value: str) -> None:
    response = demo.client.post(reverse("chats:params", args=[demo.context.pk]), {field: value, "system": "x"})
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in response.content.decode()
    assert Context.objects.get(pk=demo.context.pk).params == {}
    assert not ContextChunk.objects.exists()


def test_the_preview_equals_what_the_interface_would_send(demo: Person) -> None:
    demo.add("note", "mind <the> gap")
    demo.add(content="question")
    url = reverse("chats:preview", args=[demo.context.pk])
    bytes_ = demo.client.get(url, {"download": "1"})
    messages: Any = json.loads(bytes_.content)["messages"]
    assert "attachment" in bytes_["Content-Disposition"]
    assert "mind <the> gap" in json.dumps(messages)
    html = demo.client.get(url).content.decode()
    assert "mind &lt;the&gt; gap" in html
    assert f"{len(bytes_.content):,} bytes" in html


def test_the_preview_takes_the_draft_along(demo: Person) -> None:
    response = demo.client.post(reverse("chats:preview", args=[demo.context.pk]), {"text": "my draft", "download": "1"})
    assert b"my draft" in response.content


def test_a_preview_of_nothing_says_so(demo: Person) -> None:
    html = demo.client.get(reverse("chats:preview", args=[demo.context.pk])).content.decode()
    assert "There is no request to show" in html
    assert "empty_prompt" in html


def test_a_preview_without_a_session_says_so(demo: Person) -> None:
    demo.add()
    Context.objects.filter(pk=demo.context.pk).update(session=None)
    assert "No session and model" in demo.client.get(reverse("chats:preview", args=[demo.context.pk])).content.decode()


def test_the_window_of_the_chosen_model_arrives_with_the_refresh(demo: Person) -> None:
    demo.add(tokens=500)
    url = reverse("chats:panel", args=[demo.context.pk])
    first = demo.client.get(url).content.decode()
    assert "?models=1" in first
    assert "The window of this model is not known" in first
    html = demo.client.get(url, {"models": "1"}).content.decode()
    assert "?models=1" not in html
    assert "The window of this model is not known" not in html
    assert 'id="chat-title"' in html


def test_a_chosen_model_that_is_not_listed_is_warned_of_with_the_nearest_name(demo: Person) -> None:
    asked = {"session": str(demo.session.pk), "model": "demo-instnat"}
    html = demo.client.get(reverse("chats:models"), asked).content.decode()
    assert "is not in this list" in html and 'data-model="demo-instant"' in html
    assert (
        "is not in this list"
        not in demo.client.get(reverse("chats:models"), asked | {"model": "demo-slow"}).content.decode()
    )


def test_the_picker_shows_what_files_know_when_the_provider_gives_no_list(demo: Person, loopback_allowed: None) -> None:
    down = AuthSession.objects.create(
        owner=demo.user, provider="anthropic", auth_type="none", name="down", base_url="http://127.0.0.1:9"
    )
    html = demo.client.get(reverse("chats:models"), {"session": str(down.pk)}).content.decode()
    assert "gave no list" in html and 'data-model="claude-opus-5"' in html and "data-models-again" in html
    assert 'class="picker-mode">image<' in html


def test_what_the_format_does_to_a_chunk_is_shown_on_its_row_before_sending(demo: Person) -> None:
    demo.add(content="Why?")
    reasoning = {"text": "hm", "opaque": {"signature": "s"}, "provider": "anthropic", "session": "7"}
    answer = demo.add("assistant", "So.", metadata={"reasoning": [reasoning]})
    note = "Reasoning not sent: this API does not take it back."
    panel = demo.client.get(reverse("chats:panel", args=[demo.context.pk])).content.decode()
    assert (
        f'hx-get="{reverse("chats:row-notes", args=[demo.context.pk])}"' in panel and f'id="note-{answer.pk}"' in panel
    )
    notes = demo.client.get(reverse("chats:row-notes", args=[demo.context.pk])).content.decode()
    assert f'id="note-{answer.pk}" title="{note}" hx-swap-oob="true">{note}<' in notes and notes.count("id=") == 1
    preview = demo.client.get(reverse("chats:preview", args=[demo.context.pk])).content.decode()
    row = preview.split("preview-chunks")[1].split("preview-body")[0]
    assert row.count(note) == 2 and preview.count(note) == 2, "on its row, not in the list of changes"
    Context.objects.filter(pk=demo.context.pk).update(model="")
    assert demo.client.get(reverse("chats:row-notes", args=[demo.context.pk])).status_code == 204


def test_a_call_without_a_result_is_previewed_with_the_row_that_will_be_made(demo: Person) -> None:
    turn = Turn.objects.create(context=demo.context)
    demo.add("tool_call", "{}", turn=turn, metadata={"call_id": "c1", "name": "look", "arguments": {}})
    url = reverse("chats:preview", args=[demo.context.pk])
    html = demo.client.post(url, {"text": "Go on"}).content.decode()
    assert html.count(NOT_RUN) == 3 and ContextChunk.objects.count() == 1, "a row; the bytes twice; and nothing stored"
