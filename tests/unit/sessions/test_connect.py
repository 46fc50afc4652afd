"""Storing a login: what is refused, what is sealed, what races do."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import override_settings

from providers_app import conf as providers_conf
from providers_app import errors
from providers_app.types.credentials import Secret
from sessions_app import credentials, crypto, selectors
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import connect, lifecycle
from tests.unit.sessions.support import CANARY, fresh, make

pytestmark = pytest.mark.both

DEMO: dict[str, Any] = {"provider": "demo", "auth_type": "none", "secret": Secret("")}


def test_a_stored_login_is_sealed_and_noted(alice: User, ring: crypto.KeyRing) -> None:
    session = make(alice, "work_claude", secret=Secret(f"  {CANARY}\n"))
    row = AuthSession.objects.get(pk=session.pk)
    assert row.key_id == ring.primary and CANARY.encode() not in bytes(row.sealed_credential)
    assert credentials.open_credential(row).secret.reveal() == CANARY, (
        "white space around a pasted key is not part of it"
    )
    event = SessionEvent.objects.get()
    assert (event.action, event.session_label, event.actor) == ("created", "anthropic/api_key:work_claude", alice)


def test_a_session_without_a_key_seals_nothing(alice: User) -> None:
    session = make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    row = AuthSession.objects.get(pk=session.pk)
    assert not row.key_id and not bytes(row.sealed_credential) and not credentials.has_secret(row)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "no name"),
        ("ab", "3 to 50"),
        ("x" * 51, "3 to 50"),
        ("my claude!", "may not contain spaces or '!'"),
        ("schlüssel", "'ü'"),
        ("anthropic", "name of a provider"),
        ("OpenAI", "name of a provider"),
        ("0b6f7a52-5d3c-4b70-9f0a-52f2c5f9d0a1", "like an id"),
        ("a/b", "'/'"),
        ("api_key:x", "':'"),
        ("name\n", ""),
    ],
)
def test_a_name_is_judged(alice: User, name: str, words: str) -> None:
    if name == "name\n":
        assert make(alice, name).name == "name"
        return
    with pytest.raises(errors.InvalidName) as found:
        make(alice, name)
    assert words in found.value.message and found.value.code == "invalid_name"
    assert not AuthSession.objects.exists() and not SessionEvent.objects.exists()


def test_the_same_name_is_refused_only_for_the_same_owner_provider_and_type(alice: User, bob: User) -> None:
    make(alice, "shared")
    with pytest.raises(errors.DuplicateSession):
        make(alice, "shared")
    make(bob, "shared")
    make(alice, "shared", provider="openai", secret=Secret("sk-" + "k" * 40))
    assert AuthSession.objects.count() == 3


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"provider": "nobody"}, errors.UnknownProvider),
        ({"auth_type": "none"}, errors.UnsupportedOperation),
        ({"auth_type": "oauth"}, errors.UnsupportedOperation),
        ({"auth_type": "magic"}, errors.UnsupportedOperation),
        ({"secret": Secret("")}, errors.InvalidCredential),
        ({"secret": Secret("   ")}, errors.InvalidCredential),
        ({"secret": Secret("a\nb")}, errors.InvalidCredential),
        ({"secret": Secret("x" * 20_000)}, errors.InvalidCredential),
        (DEMO | {"secret": Secret("sk-1")}, errors.InvalidCredential),
        (
            {"provider": "demo", "auth_type": "none", "secret": Secret(""), "base_url": "https://x.example"},
            errors.InvalidRequest,
        ),
        ({"provider": "remote", "secret": Secret("k" * 20)}, errors.InvalidRequest),
        ({"base_url": "ftp://host/v1"}, errors.InvalidRequest),
        ({"base_url": "https://user:pw@host/v1"}, errors.InvalidRequest),
        ({"base_url": "http://10.0.0.1/v1"}, errors.AddressRefused),
        ({"base_url": "http://169.254.169.254/"}, errors.AddressRefused),
        ({"settings": {"name": "x" * 501}}, errors.InvalidRequest),
        ({"settings": {f"n{n}": "x" for n in range(21)}}, errors.InvalidRequest),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    alice: User, given: dict[str, Any], error: type[errors.ProviderError]
) -> None:
    with pytest.raises(error) as found:
        make(alice, "refused", **given)
    assert found.value.code and found.value.message
    assert not AuthSession.objects.exists() and not SessionEvent.objects.exists()


def test_a_refused_key_is_in_no_message(alice: User) -> None:
    with pytest.raises(errors.InvalidCredential) as found:
        make(alice, "refused", secret=Secret(f"{CANARY}\x07"))
    assert CANARY not in repr(found.value) + found.value.hint


def test_without_a_key_ring_nothing_is_stored(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    crypto.configure(None)
    monkeypatch.setattr(crypto, "_loader", None)
    with pytest.raises(errors.NotConfigured):
        make(alice)
    assert not AuthSession.objects.exists()


def test_an_owner_has_a_limit(alice: User, bob: User, settings: Any) -> None:
    settings.MAESTRO = settings.MAESTRO.model_copy(
        update={"sessions": settings.MAESTRO.sessions.model_copy(update={"per_owner_limit": 2})}
    )
    make(alice, "one")
    make(alice, "two")
    with pytest.raises(errors.InvalidRequest) as found:
        make(alice, "three")
    assert "2 sessions" in found.value.message and "PER_OWNER_LIMIT" in found.value.hint
    make(bob, "one")
    lifecycle.trash(fresh(selectors.find(alice.pk, None, "one")))
    make(alice, "three")


def test_an_owner_that_does_not_exist_owns_nothing(alice: User) -> None:
    with pytest.raises(errors.UnknownSession):
        connect.create(owner_id=9999, provider="demo", auth_type="none", name="orphan")


@pytest.mark.django_db(transaction=True)
@override_settings()
def test_of_many_that_take_the_same_name_at_once_one_wins(alice: User) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def attempt() -> None:
        barrier.wait()
        try:
            make(alice, "contested")
            outcomes.append("stored")
        except errors.DuplicateSession:
            outcomes.append("duplicate")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["duplicate"] * 5 + ["stored"]
    assert AuthSession.objects.count() == 1 and SessionEvent.objects.count() == 1


def test_a_replaced_key_is_a_new_generation_and_forgets_the_old_evidence(alice: User) -> None:
    session = make(alice)
    AuthSession.objects.filter(pk=session.pk).update(
        status="needs_reauth", status_reason="refused", last_error_code="upstream_authentication", last_error="no"
    )
    assert connect.replace_key(session, Secret(CANARY), actor_id=alice.pk) == 1
    row = AuthSession.objects.get(pk=session.pk)
    assert (row.generation, row.status, row.status_reason, row.last_error_code) == (1, "active", "", "")
    assert credentials.open_credential(row).secret.reveal() == CANARY
    assert SessionEvent.objects.first().action == "key-replaced"  # type: ignore[union-attr]


def test_a_disabled_session_stays_disabled_when_its_key_is_replaced(alice: User) -> None:
    session = make(alice)
    lifecycle.disable(session)
    connect.replace_key(fresh(session), Secret(CANARY))
    assert fresh(session).status == "disabled"


def test_a_key_is_not_put_into_a_session_that_takes_none_or_is_gone(alice: User) -> None:
    demo = make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    with pytest.raises(errors.UnsupportedOperation):
        connect.replace_key(demo, Secret(CANARY))
    session = make(alice)
    lifecycle.trash(session)
    with pytest.raises(errors.UnknownSession):
        connect.replace_key(session, Secret(CANARY))


def test_another_address_drops_the_stored_key(alice: User) -> None:
    session = make(alice)
    assert connect.change_base_url(session, "https://proxy.example/v1/", actor_id=alice.pk)
    row = AuthSession.objects.get(pk=session.pk)
    assert row.base_url == "https://proxy.example/v1"
    assert not row.key_id and not bytes(row.sealed_credential)
    assert row.status == "needs_reauth" and "key must be given again" in row.status_reason
    assert not connect.change_base_url(fresh(session), "https://proxy.example/v1"), "the same address changes nothing"


def test_the_address_of_a_session_without_a_key_changes_freely(alice: User) -> None:
    session = make(
        alice, "open_llama", provider="remote", auth_type="none", secret=Secret(""), base_url="https://a.example/v1"
    )
    assert connect.change_base_url(session, "https://b.example/v1")
    assert fresh(session).status == "active"
    with pytest.raises(errors.InvalidRequest):
        connect.change_base_url(fresh(session), "")
    providers_conf.configure(providers_conf.current().model_copy(update={"allowed_private_hosts": ()}))
    with pytest.raises(errors.AddressRefused):
        connect.change_base_url(fresh(session), "http://127.0.0.1:1/v1")
    assert fresh(session).base_url == "https://b.example/v1"


def test_a_suggested_name_is_free_and_valid(alice: User) -> None:
    assert connect.suggest_name(alice.pk, "anthropic") == "my_anthropic"
    make(alice, "my_anthropic")
    make(alice, "my_anthropic_2")
    assert connect.suggest_name(alice.pk, "anthropic") == "my_anthropic_3"
    make(alice, connect.suggest_name(alice.pk, "anthropic"))


def test_a_written_credential_wins_over_a_swap_that_was_lost(alice: User) -> None:
    session = make(alice)
    AuthSession.objects.filter(pk=session.pk).update(generation=7)
    assert credentials.replace(session, Secret(CANARY), {}) == 8
