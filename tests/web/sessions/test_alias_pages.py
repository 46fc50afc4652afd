"""The page of aliases: what it shows, what it changes, whose it is, and what deleting a session says of them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from sessions_app import alias_selectors
from sessions_app.models import Alias, AuthSession
from sessions_app.services import aliases
from tests.unit.sessions.support import make
from tests.web.sessions.support import copyable, messages_of, signed_in, text_of

PAGE = "aliases:list"


@pytest.fixture
def one(alice: User) -> AuthSession:
    return make(alice, "one")


@pytest.fixture
def fast(alice: User, one: AuthSession) -> Alias:
    return aliases.create(alice.pk, "fast", [(one, "a"), (make(alice, "two"), "b")])


def routes_of(alias: Alias) -> list[str]:
    found = alias_selectors.get(alias.owner_id, alias.pk)
    return [f"{route.session.name}/{route.model}" for route in found.routes.all()]


def route(alias: Alias, at: int) -> str:
    return str(alias.routes.all()[at].pk)


def test_the_page_says_what_an_alias_is_and_offers_the_first_step(alice: User) -> None:
    client = signed_in(alice)
    page = text_of(client.get(reverse(PAGE)))
    assert "No aliases yet" in page and "An alias needs a session first" in page
    assert "Create alias" not in page
    make(alice, "one")
    page = text_of(client.get(reverse(PAGE)))
    assert "Create alias" in page and "one (anthropic)" in page


def test_the_address_is_the_documented_one() -> None:
    assert reverse(PAGE) == "/settings/aliases/"


def test_an_alias_is_created_with_its_first_route_and_shown(alice: User, one: AuthSession) -> None:
    client = signed_in(alice)
    given = {"name": "fast", "session": one.pk, "model": " m/x "}
    answer = client.post(reverse("aliases:create"), given, follow=True)
    assert "The alias fast is created." in messages_of(answer)
    assert routes_of(Alias.objects.get()) == ["one/m/x"] and "m/x" in text_of(answer)


@pytest.mark.parametrize(
    ("given", "said", "code"),
    [
        ({"name": "x"}, "3 to 50 characters", "invalid_name"),
        ({"name": "one"}, "You already have a session called", "duplicate_alias"),
        ({"name": "anthropic"}, "is the name of a provider", "invalid_name"),
        ({"name": "fast", "model": "m"}, "A route needs a session and a model.", "invalid_route"),
    ],
)
def test_what_is_refused_is_said_beside_the_form(
    alice: User, one: AuthSession, given: dict[str, Any], said: str, code: str
) -> None:
    answer = signed_in(alice).post(reverse("aliases:create"), given)
    assert answer.status_code == 422 and said in text_of(answer) and code in copyable(answer)
    assert not Alias.objects.exists()


def test_routes_are_added_moved_and_removed(alice: User, fast: Alias, one: AuthSession) -> None:
    client = signed_in(alice)
    add, move = reverse("aliases:add-route", args=[fast.pk]), reverse("aliases:move-route", args=[fast.pk])
    answer = client.post(add, {"session": one.pk, "model": "c"}, follow=True)
    assert "The route is added to fast." in messages_of(answer)
    assert routes_of(fast) == ["one/a", "two/b", "one/c"]
    client.post(move, {"route": route(fast, 2), "to": "up"})
    client.post(move, {"route": route(fast, 0), "to": "down"})
    assert routes_of(fast) == ["one/c", "one/a", "two/b"]
    client.post(move, {"route": route(fast, 0), "to": "up"})
    assert routes_of(fast) == ["one/c", "one/a", "two/b"], "the first one stays the first"
    answer = client.post(move, {"route": route(fast, 1), "to": "remove"}, follow=True)
    assert "The route is removed from fast." in messages_of(answer) and routes_of(fast) == ["one/c", "two/b"]
    answer = client.post(add, {"session": one.pk, "model": "c"}, follow=True)
    assert "one/c is in the alias twice" in messages_of(answer) and len(routes_of(fast)) == 2
    for wrong in ({"session": "", "model": "c"}, {"session": one.pk, "model": ""}, {}, {"session": "x", "model": "c"}):
        client.post(add, wrong)
    assert len(routes_of(fast)) == 2


def test_the_name_and_sticky_are_changed_and_the_alias_is_deleted(alice: User, fast: Alias) -> None:
    client = signed_in(alice)
    answer = client.post(reverse("aliases:change", args=[fast.pk]), {"name": "quick"}, follow=True)
    assert "The alias quick is saved." in messages_of(answer)
    fast.refresh_from_db()
    assert (fast.name, fast.sticky) == ("quick", False)
    client.post(reverse("aliases:change", args=[fast.pk]), {"name": "quick", "sticky": "on"})
    assert Alias.objects.get().sticky
    answer = client.post(reverse("aliases:change", args=[fast.pk]), {"name": "one"}, follow=True)
    assert "You already have a session called" in messages_of(answer)
    answer = client.post(reverse("aliases:delete", args=[fast.pk]), follow=True)
    assert "The alias quick is deleted." in messages_of(answer) and not Alias.objects.exists()


def test_another_persons_alias_does_not_exist(alice: User, bob: User, fast: Alias) -> None:
    client = signed_in(bob)
    assert "fast" not in client.get(reverse(PAGE)).content.decode()
    for name in ("change", "add-route", "move-route", "delete"):
        assert client.post(reverse(f"aliases:{name}", args=[fast.pk]), {"name": "mine"}).status_code == 404
    theirs = make(bob, "theirs")
    answer = signed_in(alice).post(
        reverse("aliases:add-route", args=[fast.pk]), {"session": theirs.pk, "model": "m"}, follow=True
    )
    assert "does not exist" in messages_of(answer) and routes_of(fast) == ["one/a", "two/b"]


def test_a_person_who_is_not_signed_in_is_sent_to_do_so(client: Any, db: None) -> None:
    answer = client.get(reverse(PAGE))
    assert answer.status_code == 302 and answer.url.startswith("/login/")


def test_deleting_a_session_says_which_aliases_lose_a_route(alice: User, fast: Alias, one: AuthSession) -> None:
    answer = signed_in(alice).post(reverse("sessions:delete", args=[one.pk]), follow=True)
    assert "The alias has one route less: fast." in messages_of(answer) and routes_of(fast) == ["two/b"]
