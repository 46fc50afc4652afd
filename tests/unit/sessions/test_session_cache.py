"""Sessions that are kept in memory: found without the database, and never older than they may be."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from providers_app import loop
from providers_app.dispatch.credentials import OAuthCredentialProvider
from providers_app.errors import AuthenticationFailed, UnknownSession
from providers_app.ports import SYSTEM, Session
from providers_app.refresh import service
from providers_app.types.credentials import Credential, Secret
from providers_app.types.refresh import RefreshReport
from sessions_app.credentials import sealed_columns
from sessions_app.models import AuthSession
from sessions_app.services import connect, lifecycle
from sessions_app.session_cache import ENTRIES, SECONDS, SessionCache
from sessions_app.stores import sessions
from sessions_app.stores.sessions import DjangoSessionStore
from tests.unit.sessions.support import make, settle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture(autouse=True)
def closed_pool() -> object:
    yield
    settle()


def find(owner: object, ref: str = "my_key") -> tuple[Session, Credential]:
    return loop.run(DjangoSessionStore().lookup(getattr(owner, "pk", owner), None, ref), 60)


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The lookups that went to the database."""
    look_up, seen = sessions._lookup, []

    def noting(*args: Any) -> tuple[Session, Credential]:
        seen.append(args)
        return look_up(*args)

    monkeypatch.setattr(sessions, "_lookup", noting)
    return seen


def test_a_second_lookup_asks_no_database(alice: User, lookups: list[object]) -> None:
    make(alice)
    for _ in range(5):
        find(alice)
    assert len(lookups) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda row: lifecycle.rename(row, "other"), None),
        (lifecycle.disable, "disabled"),
        (lambda row: AuthSession.objects.filter(pk=row.pk).update(status="forbidden"), "forbidden"),
        (lifecycle.trash, None),
        (lambda row: AuthSession.objects.filter(pk=row.pk).delete(), None),
    ],
    ids=["renamed", "disabled", "updated", "deleted", "destroyed"],
)
def test_a_write_of_this_process_is_seen_at_once(
    alice: User, change: Callable[[AuthSession], object], expected: str | None
) -> None:
    row = make(alice)
    assert find(alice)[0].status == "active"
    change(row)
    if expected is None:
        with pytest.raises(UnknownSession):
            find(alice)
    else:
        assert find(alice)[0].status == expected


def test_a_new_key_is_used_at_once(alice: User) -> None:
    row = make(alice)
    before = find(alice)[1].secret
    connect.replace_key(row, Secret("sk-ant-api03-" + "y" * 40))
    session, credential = find(alice)
    assert credential.secret != before
    assert session.generation == 1


def test_a_value_read_during_a_transaction_does_not_outlive_its_commit(alice: User) -> None:
    row = make(alice)
    with transaction.atomic():
        AuthSession.objects.filter(pk=row.pk).update(status="forbidden")
        if connection.vendor != "sqlite":  # there, a reader waits for nobody and sees the row as it was
            assert find(alice)[0].status == "active"
    assert find(alice)[0].status == "forbidden"


def test_what_is_known_to_be_old_is_read_again(alice: User) -> None:
    row = make(alice)
    found = find(alice)[0]
    with connection.cursor() as cursor:  # as another process would
        cursor.execute("UPDATE sessions_app_authsession SET generation = 7")
    again = DjangoSessionStore().lookup(alice.pk, None, "my_key", after=found.generation)
    assert (loop.run(again, 10)[0].generation, find(alice)[0].generation) == (7, 7)
    assert row.generation == 0


def test_a_token_that_another_process_refreshed_is_used_after_a_refusal(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make(alice)
    AuthSession.objects.filter(pk=row.pk).update(auth_type="oauth")
    session, credential = loop.run(DjangoSessionStore().lookup(alice.pk, row.provider, str(row.pk)), 60)

    async def refreshed_elsewhere(session_id: str, **given: Any) -> RefreshReport:
        return RefreshReport(session_id=session_id, done="waited", why="by another process", generation=1)

    monkeypatch.setattr(service, "refresh_session", refreshed_elsewhere)
    columns = sealed_columns(row.pk, Secret("the-new-access-token"))
    with connection.cursor() as cursor:
        change = "UPDATE sessions_app_authsession SET generation = 1, sealed_credential = %s, key_id = %s"
        cursor.execute(change, [columns["sealed_credential"], columns["key_id"]])
    login = OAuthCredentialProvider(alice.pk, session, credential)
    refused = AuthenticationFailed("ended", status=401)
    found = loop.run(login.renewed(credential, refused, None), 60)  # type: ignore[arg-type]
    assert found.secret.reveal() == "the-new-access-token"
    assert login.session.generation == 1


def test_a_deleted_person_has_no_sessions_at_once(alice: User, client: Client) -> None:
    make(alice)
    found = find(alice)[0]
    root = User.objects.create_superuser("root", password="correct horse battery")
    client.force_login(root)
    done = client.post(f"/admin/auth/user/{alice.pk}/delete/", {"post": "yes"})
    assert done.status_code == 302 and not User.objects.filter(pk=alice.pk).exists()
    with pytest.raises(UnknownSession):
        find(SYSTEM, found.id)


def test_the_manager_itself_cannot_delete_everything() -> None:
    with pytest.raises(AttributeError):
        AuthSession.objects.delete()  # type: ignore[attr-defined]


def test_entries_of_one_owner_are_not_found_by_another(alice: User, bob: User) -> None:
    make(alice)
    found = find(alice)[0]
    with pytest.raises(UnknownSession):
        find(bob)
    assert find(SYSTEM, found.id)[0] == found


def test_columns_that_no_lookup_shows_leave_the_cache_as_it_is(alice: User, lookups: list[object]) -> None:
    row = make(alice)
    find(alice)
    AuthSession.objects.filter(pk=row.pk).update(last_error_code="upstream_timeout", refresh_attempts=2)
    find(alice)
    assert len(lookups) == 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


KEY = (1, None, "box", None)


def entry(expires_at: float | None = None) -> tuple[Session, Credential]:
    session = Session(
        id="s", owner=1, provider="remote", auth_type="oauth", name="box", status="active", expires_at=expires_at
    )
    return session, Credential(auth_type="oauth", secret=Secret("a-secret"))


def test_what_another_process_wrote_is_seen_after_two_seconds() -> None:
    clock = Clock()
    cache = SessionCache(clock)
    cache.put(KEY, entry(), cache.version)
    clock.now += SECONDS - 0.001
    assert cache.get(KEY) is not None
    clock.now += 0.001
    assert cache.get(KEY) is None


def test_a_credential_is_not_given_out_past_its_end() -> None:
    clock = Clock()
    cache = SessionCache(Clock(), clock)
    cache.put(KEY, entry(expires_at=1001.0), cache.version)
    assert cache.get(KEY) is not None
    clock.now = 1001.0
    assert cache.get(KEY) is None


def test_what_was_read_before_a_write_is_not_kept_after_it() -> None:
    cache = SessionCache()
    version = cache.version
    cache.forget()
    cache.put(KEY, entry(), version)
    assert cache.get(KEY) is None


def test_the_cache_is_bounded_and_lets_go_of_old_entries() -> None:
    clock = Clock()
    cache = SessionCache(clock)
    for number in range(ENTRIES + 50):
        cache.put((number, None, "box", None), entry(), cache.version)
    assert len(cache._entries) == ENTRIES
    clock.now += SECONDS
    cache.put(KEY, entry(), cache.version)
    assert list(cache._entries) == [KEY]


def test_a_deletion_says_what_it_deleted_as_djangos_does(alice: User) -> None:
    first, _ = make(alice, "first"), make(alice, "second")
    label = AuthSession._meta.label
    assert AuthSession.objects.filter(pk=first.pk).delete()[1][label] == 1
    assert AuthSession.objects.get().delete()[1][label] == 1
    assert AuthSession.objects.filter(pk=first.pk).delete() == (0, {})
