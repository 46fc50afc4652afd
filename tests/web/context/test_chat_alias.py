"""Aliases on the chat page: in the picker, as the chat's choice, and what an answer says of its route."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from context_app.models import Context
from sessions_app.models import Alias
from sessions_app.services import aliases, connect, lifecycle
from tests.web.context.conftest import Person


@pytest.fixture
def both(ada: Person) -> Alias:
    spare = connect.create(owner_id=ada.user.pk, provider="demo", auth_type="none", name="spare")
    return aliases.create(ada.user.pk, "both", [(ada.session, "demo-instant"), (spare, "demo-d0")])


def body(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def choose(person: Person, session: str, model: str = "both") -> Any:
    address = reverse("chats:choose", args=[person.context.pk])
    return person.client.post(address, {"session": session, "model": model})


def test_the_picker_offers_the_persons_aliases_with_their_routes(ada: Person, eve: Person, both: Alias) -> None:
    page = body(ada.client.get(reverse("chats:detail", args=[ada.context.pk])))
    assert f'data-session="alias:{both.pk}"' in page
    assert str(both.pk) not in body(eve.client.get(reverse("chats:detail", args=[eve.context.pk])))
    address = f"{reverse('chats:models')}?{urlencode({'session': f'alias:{both.pk}'})}"
    routes = body(ada.client.get(address))
    assert "Use both" in routes and "spare" in routes and "demo-d0" in routes
    assert eve.client.get(address).status_code == 404


def test_a_chosen_alias_is_the_chats_and_another_choice_ends_it(ada: Person, both: Alias) -> None:
    answer = choose(ada, f"alias:{both.pk}")
    assert answer.status_code == 200 and 'picker-label truncate">both<' in body(answer)
    context = Context.objects.get(pk=ada.context.pk)
    assert (context.alias, context.session, context.model) == (both, ada.session, "demo-instant")
    page = body(ada.client.get(reverse("chats:detail", args=[context.pk])))
    assert f'name="session" value="alias:{both.pk}"' in page
    choose(ada, str(ada.session.pk), "demo")
    context.refresh_from_db()
    assert context.alias is None and context.model == "demo"


def test_an_alias_that_cannot_be_used_is_not_chosen_and_a_foreign_one_is_not_there(
    ada: Person, eve: Person, both: Alias
) -> None:
    assert choose(eve, f"alias:{both.pk}").status_code == 404
    assert choose(ada, "alias:nothing").status_code == 422
    for route in both.routes.all():
        lifecycle.disable(route.session)
    assert choose(ada, f"alias:{both.pk}").status_code == 422
    assert Context.objects.get(pk=ada.context.pk).alias is None


def test_a_new_chat_can_begin_with_an_alias(ada: Person, both: Alias) -> None:
    answer = ada.client.post(reverse("chats:new"), {"session": f"alias:{both.pk}"})
    assert answer.status_code == 302
    assert Context.objects.filter(owner=ada.user, alias=both).count() == 1
    missing = {"session": "alias:6fa459ea-ee8a-4ca4-894e-db77e160355e"}
    assert ada.client.post(reverse("chats:new"), missing).status_code == 404


def test_an_answer_says_which_route_gave_it_and_why_not_an_earlier_one(ada: Person) -> None:
    turn = ada.turn()
    assert turn.stream is not None
    left = {
        "provider": "demo",
        "session": "first",
        "model": "m",
        "code": "upstream_rate_limit",
        "message": "Limited <b>.",
    }
    turn.stream.result |= {
        "routing": {
            "alias": "both",
            "provider": "demo",
            "session": "spare",
            "session_id": "x",
            "model": "n",
            "left": [],
        }
    }
    turn.stream.save()
    page = reverse("chats:detail", args=[ada.context.pk])
    assert "Answered by" not in body(ada.client.get(page)), "the first route answered: nothing to say"
    turn.stream.result["routing"]["left"] = [left]
    turn.stream.save()
    text = body(ada.client.get(page))
    assert "Answered by spare for both, not by first" in text and "Limited &lt;b&gt;." in text
