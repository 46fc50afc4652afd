"""The store as the provider core uses it: on its own threads, from any loop."""

import asyncio
import threading

import pytest
from django.contrib.auth.models import User
from django.db import DataError, OperationalError, connection

from providers_app import errors, loop, ports, provider
from providers_app.dispatch.credentials import report
from providers_app.types.credentials import Credential, Secret
from sessions_app import crypto
from sessions_app.errors import DiskFull, StoreUnavailable
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from sessions_app.services import connect, lifecycle, outcomes
from sessions_app.stores import pool
from sessions_app.stores.sessions import DjangoSessionStore
from tests.unit.sessions.support import CANARY, fresh, make, make_remote, settle
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture(autouse=True)
def closed_pool() -> object:
    yield
    settle()


def test_the_apps_install_the_store() -> None:
    assert isinstance(ports.session_store(), DjangoSessionStore)


def test_a_login_makes_the_whole_round(alice: User, vendor: VendorServer) -> None:
    async def story() -> list[str]:
        made = await provider.create_session(
            "remote", "api_key", name="local_llama", api_key=VALID_KEY, base_url=vendor.base_url, owner=alice.pk
        )
        account = await provider.test_session("remote", "api_key", "local_llama", owner=alice)
        models = await provider.list_models("remote", "api_key", made.id, owner=alice)
        assert account.models == len(models)
        await provider.delete_session("remote", "api_key", "local_llama", owner=alice)
        return [model.id for model in models]

    assert loop.run(story(), 60)
    assert not AuthSession.objects.exists()
    assert {entry.key for entry in vendor.ledger} == {"right"}


def test_a_lookup_opens_the_credential_and_shows_no_secret(alice: User) -> None:
    make(alice, secret=Secret(CANARY), base_url="https://proxy.example/v1", settings={"api_version": "2024-01-01"})
    session, credential = loop.run(DjangoSessionStore().lookup(alice.pk, None, "my_key"), 60)
    assert credential.secret.reveal() == CANARY and credential.base_url == "https://proxy.example/v1"
    assert credential.settings == {"api_version": "2024-01-01"}
    assert CANARY not in repr((session, credential))
    assert (session.owner, session.status, session.name) == (alice.pk, "active", "my_key")


def test_lookups_run_on_the_stores_own_threads(alice: User) -> None:
    async def names() -> set[str]:
        return set(await asyncio.gather(*(pool.in_store(lambda: threading.current_thread().name) for _ in range(20))))

    found = loop.run(names(), 60)
    assert found and all(name.startswith("store") for name in found)


def test_another_persons_session_does_not_exist(alice: User, bob: User) -> None:
    session = make(bob)
    store = DjangoSessionStore()
    for ref in (str(session.pk), session.name):
        with pytest.raises(errors.UnknownSession):
            loop.run(store.lookup(alice.pk, "anthropic", ref), 60)
    with pytest.raises(errors.UnknownSession):
        loop.run(store.delete(alice.pk, str(session.pk)), 60)
    with pytest.raises(errors.UnknownSession):
        loop.run(store.delete(alice.pk, "nonsense"), 60)
    loop.run(store.delete(ports.SYSTEM, str(session.pk)), 60)
    assert not AuthSession.objects.exists()


def test_a_disabled_or_deleted_session_is_not_used(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor)
    lifecycle.disable(session)
    with pytest.raises(errors.SessionDisabled):
        loop.run(provider.complete_chat("remote", "local_llama", "hello", model="m", owner=alice), 60)
    lifecycle.enable(session)
    lifecycle.trash(session)
    with pytest.raises(errors.UnknownSession):
        loop.run(provider.complete_chat("remote", "local_llama", "hello", model="m", owner=alice), 60)
    assert not len(vendor.ledger)


def test_nobody_owns_what_the_installation_creates(alice: User) -> None:
    credential = Credential(auth_type="none")
    with pytest.raises(errors.InvalidRequest):
        loop.run(DjangoSessionStore().create(ports.SYSTEM, "demo", "none", "try_demo", credential), 60)


def test_the_sole_owner_is_found(alice: User) -> None:
    assert loop.run(DjangoSessionStore().sole_owner(), 60) == alice.pk
    with pytest.raises(errors.UnknownSession):
        loop.run(provider.test_session("demo", "none", "missing"), 60)
    User.objects.create_user("bob")
    with pytest.raises(errors.OwnerRequired):
        loop.run(provider.test_session("demo", "none", "missing"), 60)


def test_a_lookup_without_the_right_key_says_so(alice: User) -> None:
    make(alice)
    crypto.configure(crypto.KeyRing.parse(crypto.KeyRing.generate()))
    with pytest.raises(errors.NotConfigured) as found:
        loop.run(DjangoSessionStore().lookup(alice.pk, None, "my_key"), 60)
    assert found.value.code == "key_ring"


def test_a_full_disk_is_a_typed_error_of_its_own() -> None:
    def full() -> None:
        raise OperationalError("database or disk is full")

    with pytest.raises(DiskFull, match="The disk of the database is full") as found:
        loop.run(pool.in_store(full), 60)
    assert (found.value.code, found.value.http_status) == ("disk_full", 503) and "no restart" in found.value.hint


@pytest.mark.parametrize("kind", [OperationalError, connection.Database.OperationalError])
def test_a_database_that_does_not_answer_is_a_typed_error(kind: type[Exception]) -> None:
    def broken() -> None:
        raise kind("database is locked: /secret/place")

    with pytest.raises(StoreUnavailable) as found:
        loop.run(pool.in_store(broken), 60)
    assert found.value.http_status == 503 and "/secret/place" not in found.value.message


def test_a_bug_is_not_taken_for_a_database_that_does_not_answer() -> None:
    def broken(*_: object) -> None:
        raise DataError("value too long")

    with pytest.raises(DataError):
        loop.run(pool.in_store(broken), 60)
    command = terminal.TerminalCommand()
    command.run = broken  # type: ignore[method-assign]
    with pytest.raises(DataError):
        command.handle(json=False)


def test_uses_and_their_outcome_reach_the_row(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor)
    result = loop.run(provider.complete_chat("remote", "local_llama", "hello", model="local-small", owner=alice), 60)
    settle()
    assert result.complete or result.error, result
    assert fresh(session).last_used_at is not None


def test_a_refused_key_marks_the_session(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor, key="wrong-" + CANARY)
    with pytest.raises(errors.AuthenticationFailed):
        loop.run(provider.test_session("remote", "api_key", "local_llama", owner=alice), 60)
    assert fresh(session).status == "needs_reauth"


def test_many_lookups_at_once_share_the_pool(alice: User) -> None:
    for number in range(5):
        make(alice, f"session_{number}")
    store = DjangoSessionStore()

    async def many() -> int:
        found = await asyncio.gather(*(store.lookup(alice.pk, None, f"session_{n % 5}") for n in range(60)))
        return len({session.id for session, _ in found})

    assert loop.run(many(), 60) == 5


def test_the_pool_closes_and_starts_again() -> None:
    assert loop.run(pool.in_store(lambda: connection.ensure_connection()), 60) is None
    pool.shutdown()
    pool.shutdown()
    assert loop.run(pool.in_store(lambda: 7), 60) == 7


def test_a_test_of_a_login_never_raises(alice: User, vendor: VendorServer) -> None:
    good = outcomes.verify(
        "remote", Credential(auth_type="api_key", secret=Secret(VALID_KEY), base_url=vendor.base_url), owner_id=alice.pk
    )
    assert good.ok and good.account and good.account.models
    open_one = outcomes.verify("demo", Credential(auth_type="none"), owner_id=alice.pk)
    assert open_one.ok and open_one.account and open_one.account.models
    nowhere = Credential(auth_type="api_key", secret=Secret(CANARY), base_url="http://127.0.0.1:9/v1")
    found = outcomes.verify("remote", nowhere, owner_id=alice.pk)
    assert isinstance(found.error, errors.ConnectionFailed) and not found.ok


def test_tests_have_a_ceiling(alice: User) -> None:
    for _ in range(outcomes.TESTS_PER_MINUTE):
        outcomes.verify("demo", Credential(auth_type="none"), owner_id="ceiling")
    found = outcomes.verify("demo", Credential(auth_type="none"), owner_id="ceiling")
    assert isinstance(found.error, errors.RateLimited)
    session = make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    row = AuthSession.objects.get(pk=session.pk)
    assert outcomes.test(row, owner_id="ceiling").error
    assert fresh(session).tested_at is None, "our own ceiling says nothing about the session"


def test_a_stored_session_is_tested_and_its_account_kept(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor)
    assert outcomes.test(AuthSession.objects.get(pk=session.pk), owner_id=alice.pk).ok
    assert fresh(session).tested_at
    crypto.configure(None)
    result = outcomes.test(AuthSession.objects.get(pk=session.pk), owner_id=alice.pk)
    assert isinstance(result.error, errors.NotConfigured)


def test_a_late_answer_to_the_old_key_does_not_condemn_the_new_one(alice: User, vendor: VendorServer) -> None:
    old_key = "an-older-key"
    session = make_remote(alice, vendor, key=old_key)
    store = DjangoSessionStore()

    async def ask_while_the_key_is_replaced() -> None:
        found, credential = await store.lookup(alice.pk, None, "local_llama")
        assert (found.generation, credential.secret.reveal()) == (0, old_key)
        await pool.in_store(connect.replace_key, session, Secret(VALID_KEY))
        report(found, errors.AuthenticationFailed("The key is not valid.", status=401))

    loop.run(ask_while_the_key_is_replaced())
    settle()
    assert fresh(session).status == "active"
