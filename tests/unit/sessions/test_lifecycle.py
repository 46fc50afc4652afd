"""Rename, disable, delete with undo, purge."""

import json
import threading
from datetime import timedelta

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db import connections
from django.db.models.signals import pre_delete
from django.test import RequestFactory
from django.utils import timezone

from maestro_site.accounts.admin import PersonAdmin
from providers_app import errors
from sessions_app import selectors, tasks
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import imports, lifecycle, trail
from tests.unit.sessions.support import fresh, make
from tests.unit.sessions.test_imports import plan

pytestmark = pytest.mark.both


def actions(session: AuthSession) -> list[str]:
    return list(SessionEvent.objects.filter(session_label__contains=session.name).values_list("action", flat=True))


def long_ago(session: AuthSession) -> None:
    AuthSession.objects.filter(pk=session.pk).update(deleted_at=timezone.now() - timedelta(hours=1))


def test_renaming_keeps_everything_else(alice: User) -> None:
    session = make(alice, "before")
    lifecycle.rename(session, " after ", actor_id=alice.pk)
    assert fresh(session).name == "after"
    event = SessionEvent.objects.first()
    assert event is not None and (event.action, event.detail) == ("renamed", "was before")
    assert event.session_label == "anthropic/api_key:after"
    lifecycle.rename(fresh(session), "after")
    assert SessionEvent.objects.count() == 2, "the same name is no deed"


def test_renaming_to_a_taken_or_wrong_name_changes_nothing(alice: User) -> None:
    session = make(alice, "mine")
    make(alice, "taken")
    with pytest.raises(errors.DuplicateSession):
        lifecycle.rename(session, "taken")
    assert session.name == "mine"
    with pytest.raises(errors.InvalidName):
        lifecycle.rename(session, "openai")
    assert fresh(session).name == "mine" and "renamed" not in actions(session)


def test_disabling_and_enabling_happen_once(alice: User) -> None:
    session = make(alice)
    for _ in range(2):
        lifecycle.disable(session, actor_id=alice.pk)
    assert fresh(session).status == "disabled"
    for _ in range(2):
        lifecycle.enable(session, actor_id=alice.pk)
    assert fresh(session).status == "active"
    assert actions(session) == ["enabled", "disabled", "created"]


def test_a_deleted_session_is_gone_at_once_and_comes_back_with_its_key(alice: User, bob: User) -> None:
    session = make(alice)
    lifecycle.trash(session, actor_id=alice.pk)
    with pytest.raises(errors.UnknownSession):
        fresh(session)
    with pytest.raises(errors.UnknownSession):
        selectors.find(alice.pk, None, session.name)
    assert selectors.counts(alice.pk)["all"] == 0
    with pytest.raises(errors.UnknownSession):
        lifecycle.restore(bob.pk, session.pk)
    assert lifecycle.restorable(bob.pk, session.pk) is None
    lifecycle.restore(alice.pk, session.pk, actor_id=alice.pk)
    assert AuthSession.objects.get(pk=session.pk).key_id
    assert actions(session) == ["restored", "deleted", "created"]
    with pytest.raises(errors.UnknownSession):
        lifecycle.restore(alice.pk, session.pk)


def test_the_name_of_a_deleted_session_is_free_and_undo_says_when_it_was_taken(alice: User) -> None:
    session = make(alice, "contested")
    lifecycle.trash(session)
    make(alice, "contested")
    with pytest.raises(errors.DuplicateSession):
        lifecycle.restore(alice.pk, session.pk)
    assert AuthSession.objects.filter(deleted_at__isnull=True).count() == 1


def test_after_the_window_the_secret_is_destroyed_and_the_trail_stays(alice: User) -> None:
    session = make(alice)
    lifecycle.trash(session)
    assert lifecycle.purge_deleted() == 0, "the window is open"
    long_ago(session)
    assert lifecycle.restorable(alice.pk, session.pk) is None
    with pytest.raises(errors.UnknownSession) as found:
        lifecycle.restore(alice.pk, session.pk)
    assert "destroyed" in found.value.message
    tasks.purge_deleted()
    assert not AuthSession.objects.exists()
    assert actions(session) == ["destroyed", "deleted", "created"]
    tasks.purge_deleted()
    assert len(actions(session)) == 3, "running it again does nothing"


@pytest.mark.parametrize("way", ["at once", "purge", "import taken back", "person"])
def test_a_secret_is_overwritten_before_its_row_goes(alice: User, way: str) -> None:
    held: list[tuple[bytes, str]] = []

    def note(sender: type[AuthSession], instance: AuthSession, **_: object) -> None:
        row = AuthSession.objects.get(pk=instance.pk)
        held.append((bytes(row.sealed_credential), row.key_id))

    pre_delete.connect(note, sender=AuthSession)
    try:
        if way == "import taken back":
            saved = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "b" * 30}
            run = imports.carry_out(plan(alice, json.dumps([saved])))
            assert run is not None and AuthSession.objects.get().sealed_credential
            imports.roll_back(run)
        else:
            session = make(alice)
            assert fresh(session).sealed_credential
        if way == "at once":
            lifecycle.delete(session)
        elif way == "purge":
            lifecycle.trash(session)
            long_ago(session)
            lifecycle.purge_deleted()
        elif way == "person":
            PersonAdmin(User, AdminSite()).delete_model(RequestFactory().post("/"), alice)
    finally:
        pre_delete.disconnect(note, sender=AuthSession)
    assert held == [(b"", "")]
    assert not AuthSession.objects.exists()


def test_deleting_the_next_one_purges_the_last_one(alice: User) -> None:
    first, second = make(alice, "first"), make(alice, "second")
    lifecycle.trash(first)
    long_ago(first)
    lifecycle.trash(second)
    assert list(AuthSession.objects.values_list("pk", flat=True)) == [second.pk]


def test_deleting_at_once_destroys_the_row(alice: User) -> None:
    session = make(alice)
    lifecycle.delete(session, actor_id=alice.pk)
    assert not AuthSession.objects.exists() and actions(session) == ["deleted", "created"]
    with pytest.raises(errors.UnknownSession):
        lifecycle.delete(session)
    assert actions(session) == ["deleted", "created"], "what did not happen is not noted"


@pytest.mark.parametrize("deed", [lifecycle.disable, lifecycle.enable, lifecycle.trash])
def test_a_session_that_is_gone_cannot_be_changed(alice: User, deed: object) -> None:
    session = make(alice)
    lifecycle.delete(session)
    with pytest.raises(errors.UnknownSession):
        deed(session)  # type: ignore[operator]
    with pytest.raises(errors.UnknownSession):
        lifecycle.rename(session, "another")


@pytest.mark.django_db(transaction=True)
def test_undo_and_purge_exclude_each_other(alice: User) -> None:
    for round_ in range(5):
        session = make(alice, f"round_{round_}")
        lifecycle.trash(session)
        edge = timezone.now() - timedelta(seconds=29.9)
        AuthSession.objects.filter(pk=session.pk).update(deleted_at=edge)
        results: list[str] = []
        barrier = threading.Barrier(2)

        def undo(key: object = session.pk, barrier: threading.Barrier = barrier, results: list[str] = results) -> None:
            barrier.wait()
            try:
                lifecycle.restore(alice.pk, key)  # type: ignore[arg-type]
                results.append("restored")
            except errors.UnknownSession:
                results.append("gone")
            finally:
                connections.close_all()

        def purge(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            lifecycle.purge_deleted()
            connections.close_all()

        threads = [threading.Thread(target=undo), threading.Thread(target=purge)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        row = AuthSession.objects.filter(pk=session.pk).first()
        if results == ["restored"]:
            assert row is not None and row.key_id and row.deleted_at is None
        else:  # destroyed, or (where the threads began late) past its window and not yet due, then whole
            assert row is None or (row.key_id and row.deleted_at == edge)


def test_old_audit_lines_are_pruned(alice: User) -> None:
    make(alice)
    assert trail.prune() == 0
    SessionEvent.objects.update(at=timezone.now() - timedelta(days=400))
    assert trail.prune() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_renames_to_the_same_name_one_wins(alice: User) -> None:
    sessions = [make(alice, "first"), make(alice, "second")]
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def attempt(session: AuthSession) -> None:
        barrier.wait()
        try:
            lifecycle.rename(session, "contested")
            outcomes.append("renamed")
        except errors.DuplicateSession:
            outcomes.append("duplicate")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["duplicate", "renamed"]
    assert AuthSession.objects.filter(name="contested").count() == 1
