"""Options of stored sessions: the service and the commands."""

import importlib
import json
import threading
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections

from providers_app.errors import InvalidOption, UnknownSession
from providers_app.types.credentials import Secret
from providers_app.types.session_limits import SessionLimits
from sessions_app import credentials
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import lifecycle, options
from sessions_app.stores.sessions import as_session
from tests.unit.sessions.commands import Run
from tests.unit.sessions.support import CANARY, fresh, make

OPENAI: dict[str, Any] = {"provider": "openai", "secret": Secret("sk-" + "k" * 40)}


@pytest.mark.both
def test_options_change_without_the_key_and_leave_a_trail(alice: User) -> None:
    session = make(alice, **OPENAI, settings={"organization": "org-1"})
    sealed = bytes(AuthSession.objects.get(pk=session.pk).sealed_credential)
    assert options.change(session, {"project": "proj_1"}, actor_id=alice.pk) == ("project",)
    assert options.change(session, {"organization": ""}, actor_id=alice.pk) == ("organization",)
    assert options.change(session, {"project": "proj_1"}, actor_id=alice.pk) == ()
    row = AuthSession.objects.get(pk=session.pk)
    assert row.options == {"project": "proj_1"} and row.generation == session.generation
    assert bytes(row.sealed_credential) == sealed
    assert credentials.open_credential(row).settings == {"project": "proj_1"}
    events = SessionEvent.objects.filter(action="options-changed").order_by("pk")
    assert [event.detail for event in events] == ["project = proj_1", "organization taken away"]
    assert {event.actor_id for event in events} == {alice.pk}


def test_a_form_gives_them_all_and_a_wrong_one_changes_nothing(alice: User) -> None:
    session = make(alice, **OPENAI, settings={"organization": "org-1", "project": "proj_1"})
    assert options.change(session, {"project": "proj_2"}, whole=True) == ("organization", "project")
    with pytest.raises(InvalidOption, match="one word"):
        options.change(session, {"project": "two words", "organization": "org-2"})
    assert fresh(session).options == {"project": "proj_2"}


def test_what_a_provider_knows_no_more_is_shown_by_name_and_dropped_on_the_next_change(alice: User) -> None:
    session = make(alice, **OPENAI)
    AuthSession.objects.filter(pk=session.pk).update(options={"gone": "x", "project": "proj_1"})
    assert options.shown(fresh(session)) == [("gone", "x"), ("Project", "proj_1")]
    assert options.change(fresh(session), {"organization": "org-1"}) == ("gone", "organization")
    assert fresh(session).options == {"project": "proj_1", "organization": "org-1"}


@pytest.mark.both
def test_options_of_a_login_outlive_what_a_refresh_writes(alice: User) -> None:
    session = make(alice, **OPENAI)
    AuthSession.objects.filter(pk=session.pk).update(
        options={"project": "mine"}, settings={"project": "p", "plan": "x"}
    )
    assert credentials.settings_of(fresh(session)) == {"project": "mine", "plan": "x"}


def test_options_of_earlier_versions_move_to_their_own_column_and_back(alice: User) -> None:
    keyed, login = make(alice, "one", **OPENAI), make(alice, "two", **OPENAI)
    AuthSession.objects.filter(pk=keyed.pk).update(settings={"project": "p"})
    AuthSession.objects.filter(pk=login.pk).update(settings={"plan": "x"}, auth_type="oauth")
    steps = importlib.import_module("sessions_app.migrations.0003_options")
    steps.move(apps, None)
    assert (fresh(keyed).settings, fresh(keyed).options) == ({}, {"project": "p"})
    assert (fresh(login).settings, fresh(login).options) == ({"plan": "x"}, {})
    steps.move_back(apps, None)
    assert fresh(keyed).settings == {"project": "p"} and fresh(login).settings == {"plan": "x"}


def test_an_address_that_a_choice_brought_stays_when_the_choice_changes(alice: User) -> None:
    session = make(alice, provider="remote", secret=Secret(CANARY), settings={"server": "mistral"})
    assert session.base_url == "https://api.mistral.ai/v1"
    options.change(session, {"server": "groq"})
    row = fresh(session)
    assert (row.base_url, row.options) == ("https://api.mistral.ai/v1", {"server": "groq"})
    assert credentials.open_credential(row).secret.reveal() == CANARY, "and the key with it"


def test_what_a_test_learned_of_the_account_is_forgotten_with_other_options(alice: User) -> None:
    session = make(alice, **OPENAI)
    AuthSession.objects.filter(pk=session.pk).update(account_label="org of before")
    options.change(session, {"organization": "org-2"})
    assert fresh(session).account_label == ""


def test_a_session_that_is_gone_takes_none(alice: User) -> None:
    session = make(alice, **OPENAI)
    lifecycle.trash(session, actor_id=alice.pk)
    with pytest.raises(UnknownSession):
        options.change(session, {"project": "proj_1"})


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_are_both_kept(alice: User) -> None:
    session = make(alice, **OPENAI)
    begin = threading.Barrier(2)

    def change(given: dict[str, str]) -> None:
        begin.wait(10)
        options.change(session, given)
        connections.close_all()

    threads = [threading.Thread(target=change, args=({name: "one"},)) for name in ("organization", "project")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert fresh(session).options == {"organization": "one", "project": "one"}


def test_text_is_parsed_and_what_is_no_assignment_is_not_repeated() -> None:
    assert options.parse(["a=1", "b = two words ", "c="]) == {"a": "1", "b": "two words", "c": ""}
    for wrong in ([CANARY], ["=x"], ["a=1", "a=2"]):
        with pytest.raises(InvalidOption) as found:
            options.parse(wrong)
        assert CANARY not in f"{found.value.message} {found.value.hint}"
    assert options.parse(options.written({"a": "1", "b": "x=y"}).splitlines()) == {"a": "1", "b": "x=y"}


def test_create_takes_options_and_list_shows_them(alice: User, run: Run) -> None:
    key = "sk-" + "k" * 40
    arguments = ("sessions", "create", "openai", "api_key", "work_gpt", "--key-stdin", "--set", "organization=org-1")
    code, out, err = run(*arguments, "--json", stdin=key)
    assert code == 0, err
    assert json.loads(out)["options"] == {"organization": "org-1"}
    code, out, _ = run("sessions", "list", "--json")
    assert [row["options"] for row in json.loads(out)] == [{"organization": "org-1"}] and key not in out
    code, _, err = run("sessions", "create", "openai", "api_key", "two", "--key-stdin", "--set", "projekt=p", stdin=key)
    assert code == 1 and "error[invalid_option]" in err and "Did you mean 'project'?" in err
    assert AuthSession.objects.count() == 1


def test_set_changes_lists_and_refuses(alice: User, run: Run) -> None:
    make(alice, "work_gpt", **OPENAI)
    code, out, _ = run("sessions", "set", "work_gpt", "project=proj_1", "organization=org-1")
    assert code == 0 and "organization = org-1, project = proj_1" in out
    code, out, _ = run("sessions", "set", "work_gpt")
    assert "organization = org-1" in out and "OpenAI-Project" in out
    code, out, _ = run("sessions", "set", "work_gpt", "organization=", "--json")
    found = json.loads(out)
    assert found["options"] == {"project": "proj_1"} and found["changed"] == ["organization"]
    assert [field["name"] for field in found["declared"]][:3] == ["organization", "project", "requests_per_minute"]
    code, _, err = run("sessions", "set", "work_gpt", "api_key=" + CANARY)
    assert code == 1 and "looks like a secret" in err and CANARY not in err
    code, _, err = run("sessions", "set", "nobody", "project=x")
    assert code == 1 and "error[unknown_session]" in err


def test_limits_are_options_of_every_session_and_reach_its_requests(alice: User, run: Run) -> None:
    session = make(alice, "play", provider="demo", auth_type="none", secret=Secret(""))
    AuthSession.objects.filter(pk=session.pk).update(account_label="somebody")
    code, out, _ = run("sessions", "set", "play", "requests_per_minute=60", "max_retries=0", "timeout_s=2.5")
    assert code == 0 and "requests_per_minute = 60" in out
    found = as_session(fresh(session))
    assert found.limits == SessionLimits(requests_per_minute=60.0, max_retries=0, timeout_s=2.5)
    stored = AuthSession.objects.get(pk=session.pk)
    assert stored.account_label == "somebody", "limits are no other account"
    for wrong in ("requests_per_minute=0", "max_retries=11", "max_retries=-1", "timeout_s=soon", "tokens_per_minute=x"):
        code, _, err = run("sessions", "set", "play", wrong)
        assert code and "must be" in err
    assert run("sessions", "set", "play", "requests_per_minute=", "max_retries=", "timeout_s=")[0] == 0
    assert as_session(fresh(session)).limits == SessionLimits()
