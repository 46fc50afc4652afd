"""Names that differ only in case are one name, for every way in, and where an installation has two."""

import json
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from providers_app.errors import DuplicateSession
from providers_app.types.credentials import Secret
from sessions_app import selectors
from sessions_app.import_sources import formats
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.providers import slugs
from sessions_app.services import connect, imports, lifecycle
from tests.unit.sessions.support import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_a_name_in_other_case_is_taken_and_found(alice: User, bob: User) -> None:
    session = make(alice, "work")
    with pytest.raises(DuplicateSession):
        make(alice, "Work")
    with pytest.raises(DuplicateSession):
        connect.require_free(alice.pk, session.provider, session.auth_type, "WORK")
    with pytest.raises(DuplicateSession):
        lifecycle.rename(make(alice, "other"), "wOrk")
    with pytest.raises(IntegrityError), transaction.atomic():
        AuthSession.objects.filter(name="other").update(name="WORK")
    make(bob, "Work")
    assert selectors.find(alice.pk, None, "WORK").pk == session.pk
    assert lifecycle.rename(session, "Work").name == "Work", "its own name in other case is free"


def test_suggestions_and_imports_pass_by_a_name_in_other_case(alice: User) -> None:
    make(alice, "My_OpenAI", provider="openai", secret=Secret("sk-" + "z" * 30))
    assert connect.suggest_name(alice.pk, "openai") == "my_openai_2"
    make(alice, "ENV_openai", provider="openai", secret=Secret("sk-" + "a" * 30))
    (line,) = imports.plan(alice.pk, "env", formats.read("env", ["OPENAI_API_KEY=sk-" + "y" * 30], slugs())).lines
    assert (line.what, line.name) == ("create", "env_openai_2")
    row = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "b" * 30}
    make(alice, "Default_OpenAI_api_key", provider="openai", secret=Secret("sk-" + "c" * 30))
    (line,) = imports.plan(alice.pk, formats.LEGACY, formats.read(formats.LEGACY, [json.dumps([row])], slugs())).lines
    assert line.what == "conflict"


@pytest.fixture
def before() -> Iterator[None]:
    """The tables as they were when names in different case were different names."""
    call_command("migrate", "sessions_app", "0003", verbosity=0)
    yield
    call_command("migrate", verbosity=0)  # other apps went back with it


def test_an_installation_with_two_such_names_migrates(before: None, alice: User, bob: User) -> None:
    rows = MigrationExecutor(connection).loader.project_state(("sessions_app", "0003_options")).apps
    add = rows.get_model("sessions_app", "AuthSession").objects.create
    kind = {"owner_id": alice.pk, "provider": "openai", "auth_type": "api_key"}
    oldest = add(**kind, name="work")
    second, third = add(**kind, name="Work"), add(**kind, name="WORK")
    add(**kind, name="work_2")
    others = [add(**kind | {"owner_id": bob.pk}, name="Work"), add(**kind | {"provider": "gemini"}, name="Work")]
    long = [add(**kind, name=name * 50) for name in "xX"]
    call_command("migrate", "sessions_app", verbosity=0)
    names = dict(AuthSession.objects.values_list("pk", "name"))
    assert [names[row.pk] for row in (oldest, second, third)] == ["work", "Work_3", "WORK_4"]
    assert [names[row.pk] for row in others] == ["Work", "Work"]
    assert [names[row.pk] for row in long] == ["x" * 50, "X" * 45 + "_2"]
    trail = SessionEvent.objects.filter(action="renamed").order_by("pk")
    assert [event.session_label for event in trail][:2] == ["openai/api_key:Work_3", "openai/api_key:WORK_4"]
    assert "was Work" in trail[0].detail
