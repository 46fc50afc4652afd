"""What the chat says of parameters: beside the fields, in the preview, and under an answer whose request lost some."""

from typing import Any

import pytest
from django.urls import reverse

from context_app import rendering
from context_app.models import Context, Stream, Turn
from context_app.rendering import changes
from providers_app import provider
from providers_app.loop import run
from sessions_app.models import AuthSession
from tests.web.context.conftest import Person

pytestmark = pytest.mark.django_db(transaction=True)
PICKY = "demo-no-sampling"
DROPPED = {
    "level": "warning",
    "field": "temperature",
    "what": "temperature is not sent.",
    "why": "This model takes <no> sampling.",
    "nearest": None,
    "code": "not_for_model",
}


@pytest.fixture
def demo(ada: Person) -> Person:
    """Ada with a demo session whose model takes no sampling parameters."""
    made = run(provider.create_session("demo", "none", name="try_demo", owner=ada.user.pk), timeout=10)
    ada.session = AuthSession.objects.get(pk=made.id)
    ada.context.session, ada.context.model = ada.session, PICKY
    ada.context.save()
    return ada


def checked(person: Person, **data: str) -> str:
    url = reverse("chats:params-check", args=[person.context.pk])
    response = person.client.post(url, {"system": "", **data})
    assert response.status_code == 200
    return str(response.content.decode())


def slot(html: str, name: str) -> str:
    """What is said in one field's place."""
    return html.split(f'id="advice-{name}"', 1)[1].split('<div class="advice-slot"', 1)[0]


def test_each_field_is_judged_as_it_is_typed_and_nothing_is_stored(demo: Person) -> None:
    html = checked(demo, temperature="0.5", top_p="", max_output_tokens="100", reasoning_effort="high")
    assert html.count('hx-swap-oob="true"') == 7, "a place for each field and one for the rest"
    assert "temperature is not sent." in slot(html, "temperature")
    assert "takes no sampling parameters" in slot(html, "temperature")
    assert "The answer may be cut off" in slot(html, "max_output_tokens")
    assert 'data-use-for="id_max_output_tokens" data-use="16384">Use 16,384<' in slot(html, "max_output_tokens")
    assert slot(html, "top_p").count("advice-") == 0
    assert Context.objects.get(pk=demo.context.pk).params == {}


def test_an_error_is_said_and_its_nearest_value_offered(demo: Person) -> None:
    html = checked(demo, temperature="7", top_p="wide")
    assert "must be between 0 and 2" in slot(html, "temperature")
    assert "advice-error" in slot(html, "temperature") and 'data-use="2"' in slot(html, "temperature")
    assert 'id="id_top_p_error"' in slot(html, "top_p"), "what is no number is said in the form's own words"


def test_another_model_is_judged_anew(demo: Person) -> None:
    assert "temperature is not sent." in checked(demo, temperature="0.5")
    url = reverse("chats:choose", args=[demo.context.pk])
    response = demo.client.post(url, {"session": str(demo.session.pk), "model": "demo"})
    assert "model-chosen" in response["HX-Trigger"]
    assert "is not sent" not in checked(demo, temperature="0.5")


def test_the_page_opens_with_what_is_to_be_said_of_stored_parameters(demo: Person) -> None:
    Context.objects.filter(pk=demo.context.pk).update(params={"temperature": 0.5})
    html = demo.client.get(reverse("chats:detail", args=[demo.context.pk])).content.decode()
    assert "temperature is not sent." in slot(html, "temperature")
    assert "model-chosen from:body" in html


def test_what_is_stored_with_a_warning_says_it_again(demo: Person) -> None:
    url = reverse("chats:params", args=[demo.context.pk])
    response = demo.client.post(url, {"temperature": "0.5", "system": ""})
    assert response.status_code == 200
    html = response.content.decode()
    assert "temperature is not sent." in slot(html, "temperature") and "Saved" in html


def test_judging_is_for_the_owner(demo: Person, eve: Person) -> None:
    url = reverse("chats:params-check", args=[demo.context.pk])
    assert eve.client.post(url, {"temperature": "1"}).status_code == 404
    assert demo.client.get(url).status_code == 405


def test_without_a_session_there_is_nothing_to_say(demo: Person) -> None:
    Context.objects.filter(pk=demo.context.pk).update(session=None)
    assert "not sent" not in checked(demo, temperature="0.5")


def test_the_preview_lists_what_is_not_sent(demo: Person) -> None:
    demo.add(content="question")
    Context.objects.filter(pk=demo.context.pk).update(params={"temperature": 0.5, "top_p": 0.5})
    html = demo.client.get(reverse("chats:preview", args=[demo.context.pk])).content.decode()
    assert "Not sent as it was asked for" in html
    assert "temperature is not sent." in html and "top_p is not sent." in html


def answer(person: Person, advice: list[Any], state: str = "complete") -> str:
    stream = Stream.objects.create(
        owner=person.user,
        state=state,
        heartbeat_at="2026-01-01T00:00:00Z",
        result={"text": "Hello", "complete": True, "advice": advice},
    )
    turn = Turn.objects.create(context=person.context, stream=stream, model=PICKY, provider="demo")
    return rendering.render_answer(turn, stream.result)


def test_an_answer_says_what_its_request_lost_after_a_reload_too(demo: Person) -> None:
    html = answer(demo, [DROPPED])
    assert "answer-changes" in html and "temperature is not sent." in html and "&lt;no&gt;" in html
    page = demo.client.get(reverse("chats:detail", args=[demo.context.pk])).content.decode()
    assert "answer-changes" in page
    both = answer(demo, [DROPPED, {**DROPPED, "field": "top_p", "what": "top_p is not sent."}])
    assert "2 parameters were not sent as set" in both


@pytest.mark.parametrize(
    "advice",
    [[], [{**DROPPED, "code": "half_window", "level": "hint"}], ["broken"], [{"code": "replaced", "level": 5}]],
)
def test_an_answer_that_lost_nothing_says_nothing(demo: Person, advice: list[Any]) -> None:
    assert "answer-changes" not in answer(demo, advice)
    assert changes(advice) == []
