"""Aliases in the database: names, routes, owners, the store and the command."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from providers_app import loop, provider
from providers_app.errors import (
    DuplicateAlias,
    DuplicateSession,
    InvalidName,
    InvalidRequest,
    InvalidRoute,
    NoUsableRoute,
    UnknownAlias,
)
from providers_app.types.credentials import Secret
from providers_app.types.events import StreamStart
from sessions_app import alias_selectors
from sessions_app.models import Alias, AliasRoute, AuthSession, SessionEvent
from sessions_app.services import aliases, connect, lifecycle, oauth
from sessions_app.stores.aliases import DjangoAliasStore
from tests.unit.sessions.commands import Run
from tests.unit.sessions.support import make, settle


def demo_session(owner: User, name: str) -> AuthSession:
    return make(owner, name, provider="demo", auth_type="none", secret=Secret(""))


def routes_of(alias: Alias) -> list[tuple[str, str]]:
    found = alias_selectors.get(alias.owner_id, alias.pk)
    return [(route.session.name, route.model) for route in found.routes.all()]


# Names


@pytest.mark.parametrize(
    "name", ["", "ab", "x" * 51, "with space", "anthropic", "Alias", "6fa459ea-ee8a-4ca4-894e-db77e160355e"]
)
def test_names_follow_the_rules_of_sessions(alice: User, name: str) -> None:
    with pytest.raises(InvalidName):
        aliases.create(alice.pk, name)


@pytest.mark.both
def test_no_session_and_alias_of_a_person_have_one_name_at_any_door(alice: User, bob: User) -> None:
    work = demo_session(alice, "work")
    fast = aliases.create(alice.pk, "fast")
    with pytest.raises(DuplicateAlias, match="session called 'WORK'"):
        aliases.create(alice.pk, "WORK")
    with pytest.raises(DuplicateAlias, match="alias called 'Fast'"):
        aliases.create(alice.pk, "Fast")
    with pytest.raises(DuplicateAlias):
        aliases.change(fast, name="work")
    for door in (
        lambda: demo_session(alice, "Fast"),
        lambda: lifecycle.rename(work, "fast"),
        lambda: oauth.require_place(alice.pk, "anthropic", "fast"),
        lambda: connect.require_free(alice.pk, "demo", "none", "fast"),
    ):
        with pytest.raises(DuplicateSession, match="alias called"):
            door()
    lifecycle.trash(work)
    taken = aliases.create(alice.pk, "work")
    with pytest.raises(DuplicateSession):
        lifecycle.restore(alice.pk, work.pk)
    aliases.delete(taken)
    lifecycle.restore(alice.pk, work.pk)
    assert aliases.create(bob.pk, "fast").name == "fast", "names are a person's own"
    assert connect.suggest_name(alice.pk, "demo", stem="fast") == "fast_2"


# Routes


@pytest.mark.both
def test_routes_keep_their_order_and_are_changed_as_a_whole(alice: User) -> None:
    one, two = demo_session(alice, "one"), demo_session(alice, "two")
    alias = aliases.create(alice.pk, "fast", [(two, "b/c"), (one, "a")], actor_id=alice.pk)
    assert routes_of(alias) == [("two", "b/c"), ("one", "a")]
    assert aliases.change(alias, routes=[(one, "a"), (two, "b/c"), (one, "z")], sticky=False, actor_id=alice.pk)
    assert routes_of(alias) == [("one", "a"), ("two", "b/c"), ("one", "z")]
    assert not aliases.change(alias, routes=[(one, "a"), (two, "b/c"), (one, "z")], sticky=False)
    told = SessionEvent.objects.filter(session_label="alias fast").order_by("id").values_list("action", "detail")
    assert list(told) == [("alias-created", "two/b/c, one/a"), ("alias-changed", "not sticky; one/a, two/b/c, one/z")]


def test_what_is_no_route_is_refused(alice: User, bob: User) -> None:
    one, theirs = demo_session(alice, "one"), demo_session(bob, "theirs")
    for routes in ([(theirs, "m")], [(one, "m"), (one, "m")], [(one, "")], [(one, "m")] * 21):
        with pytest.raises(InvalidRoute):
            aliases.create(alice.pk, "fast", routes)
    assert not Alias.objects.exists()
    for text in ("one", "/m", "one/", ""):
        with pytest.raises(InvalidRoute):
            aliases.parse_routes(alice.pk, [text])
    assert aliases.parse_routes(alice.pk, [" one / meta/llama "]) == [(one, "meta/llama")]


def test_a_deleted_session_leaves_the_other_routes(alice: User) -> None:
    one, two = demo_session(alice, "one"), demo_session(alice, "two")
    alias = aliases.create(alice.pk, "fast", [(one, "a"), (two, "b")])
    assert alias_selectors.using(one) == ["fast"]
    lifecycle.trash(one)
    assert routes_of(alias) == [("two", "b")]
    lifecycle.restore(alice.pk, one.pk)
    assert routes_of(alias) == [("one", "a"), ("two", "b")], "an undone deletion brings the route back"
    lifecycle.delete(one)
    assert routes_of(alias) == [("two", "b")] and AliasRoute.objects.count() == 1
    aliases.delete(alias)
    assert AuthSession.objects.filter(pk=two.pk).exists() and not AliasRoute.objects.exists()


def test_nobody_sees_or_uses_an_alias_of_another_person(alice: User, bob: User) -> None:
    alias = aliases.create(alice.pk, "fast", [(demo_session(alice, "one"), "m")])
    for ref in ("fast", str(alias.pk)):
        assert alias_selectors.find(alice.pk, ref).pk == alias.pk
        with pytest.raises(UnknownAlias):
            alias_selectors.find(bob.pk, ref)


def test_an_alias_that_went_meanwhile_is_said(alice: User) -> None:
    alias = aliases.create(alice.pk, "fast")
    aliases.delete(alias)
    for late in (lambda: aliases.delete(alias), lambda: aliases.change(alias, sticky=False)):
        with pytest.raises(UnknownAlias):
            late()


def test_there_is_a_limit_of_aliases(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "MAX_ALIASES", 1)
    aliases.create(alice.pk, "fast")
    with pytest.raises(InvalidRequest, match="limit"):
        aliases.create(alice.pk, "slow")


# The store


@pytest.mark.django_db(transaction=True)
def test_the_store_remembers_an_alias_until_it_or_a_session_is_written(
    alice: User, django_assert_num_queries: Any
) -> None:
    one = demo_session(alice, "one")
    alias = aliases.create(alice.pk, "fast", [(one, "a")])
    store = DjangoAliasStore()

    def found() -> Any:
        return loop.run(store.find_alias(alice.pk, "fast"), 60)

    first = found()
    assert [(session.name, model) for session, model in first.routes] == [("one", "a")] and first.sticky
    assert first.page.endswith("/settings/aliases/") and found() is first
    lifecycle.disable(one)
    assert found().routes[0][0].status == "disabled"
    aliases.change(alias, routes=[(one, "b")])
    assert found().routes[0][1] == "b"
    aliases.delete(alias)
    with pytest.raises(UnknownAlias):
        found()


# From Python and the terminal


@pytest.mark.django_db(transaction=True)
def test_a_call_by_an_alias_is_answered_by_the_next_route(alice: User) -> None:
    bad, good = demo_session(alice, "bad"), demo_session(alice, "good")
    aliases.create(alice.pk, "both", [(bad, "demo-error-429"), (good, "demo-instant")])
    result = loop.run(provider.complete_chat("alias", "both", "Hello", owner=alice.pk), 60)
    assert result.routing is not None and result.routing.session == "good"
    assert [(one.session, one.code) for one in result.routing.left] == [("bad", "upstream_rate_limit")]
    lifecycle.disable(good)
    lifecycle.disable(bad)
    with pytest.raises(NoUsableRoute):
        loop.run(provider.complete_chat("alias", "both", "Hello", owner=alice.pk), 60)
    settle()


@pytest.mark.django_db(transaction=True)
def test_the_chat_command_says_who_answered_and_why_not_the_first(alice: User, run: Run) -> None:
    bad, good = demo_session(alice, "bad"), demo_session(alice, "good")
    aliases.create(alice.pk, "both", [(bad, "demo-error-429"), (good, "demo-instant")])
    code, out, err = run("chat", "both", "Hello", "--provider", "alias")
    assert code == 0 and out.strip() and "answered by good (demo-instant). Not by bad (demo-error-429):" in err
    code, out, _ = run("chat", "both", "Hello again", "--provider", "alias", "--json")
    assert code == 0
    start, result = json.loads(out.splitlines()[0]), json.loads(out.splitlines()[-1])
    assert start["type"] == StreamStart.__struct_config__.tag and start["routing"]["session"] == "good"
    assert result["routing"]["left"][0]["code"] == "route_busy"  # it rests after its 429
    code, _, err = run("chat", "nobody", "Hello", "--provider", "alias")
    assert code == 1 and err.startswith("error[unknown_alias]")
    settle()


def test_the_command_lists_creates_changes_and_deletes(alice: User, run: Run) -> None:
    demo_session(alice, "one")
    assert "You have no aliases" in run("aliases", "list")[1]
    code, out, _ = run("aliases", "create", "fast", "one/a", "one/b")
    assert code == 0 and out == "Created the alias fast: one/a, one/b.\n"
    code, out, _ = run("aliases", "change", "fast", "--routes", "one/b", "--no-sticky", "--name", "quick", "--json")
    found = json.loads(out)
    assert code == 0 and (found["name"], found["sticky"]) == ("quick", False)
    assert [route["model"] for route in found["routes"]] == ["b"]
    lifecycle.disable(AuthSession.objects.get(name="one"))
    assert "quick  no      one/b (disabled)" in run("aliases", "list")[1]
    assert [row["name"] for row in json.loads(run("aliases", "list", "--json")[1])] == ["quick"]
    assert run("aliases", "change", "quick", "--sticky")[1] == "Changed the alias quick: one/b (disabled).\n"
    assert run("aliases", "change", "quick")[1].startswith("Nothing to change in")
    for wrong, code_name in (
        (("create", "quick"), "duplicate_alias"),
        (("create", "one"), "duplicate_alias"),
        (("create", "x"), "invalid_name"),
        (("create", "other", "one"), "invalid_route"),
        (("create", "other", "none/m"), "unknown_session"),
        (("change", "gone"), "unknown_alias"),
        (("delete", "gone"), "unknown_alias"),
    ):
        code, _, err = run("aliases", *wrong)
        assert code == 1 and err.startswith(f"error[{code_name}]"), err
    assert run("aliases", "delete", "quick")[1] == "Deleted the alias quick.\n" and not Alias.objects.exists()


# Django admin


def test_admin_writes_by_the_same_rules(alice: User, bob: User, client: Client) -> None:
    root = User.objects.create_superuser("root", password="a long enough password")
    client.force_login(root)
    one = demo_session(alice, "one")
    add = reverse("admin:sessions_app_alias_add")
    given = {"owner": alice.pk, "name": "fast", "sticky": "on", "routes": "one/a\r\none/b"}
    for wrong in ({"name": "one"}, {"name": "x"}, {"routes": "one"}, {"routes": "one/a\r\none/a"}, {"owner": bob.pk}):
        answer = client.post(add, given | wrong)
        assert answer.status_code == 200 and not Alias.objects.exists(), wrong
    assert client.post(add, given).status_code == 302
    alias = Alias.objects.get()
    assert routes_of(alias) == [("one", "a"), ("one", "b")] and alias.owner == alice
    change = reverse("admin:sessions_app_alias_change", args=[alias.pk])
    assert f"{one.pk}/a" in client.get(change).content.decode()
    assert client.post(change, {"name": "quick", "routes": f"{one.pk}/b"}).status_code == 302
    alias.refresh_from_db()
    assert (alias.name, alias.sticky, routes_of(alias)) == ("quick", False, [("one", "b")])
    delete = reverse("admin:sessions_app_alias_delete", args=[alias.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 302 and not Alias.objects.exists()
    last = SessionEvent.objects.order_by("id").last()
    assert last is not None and (last.action, last.actor) == ("alias-deleted", root)
