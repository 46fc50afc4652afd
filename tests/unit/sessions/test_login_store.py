"""Sign-ins in the database: sealed, single use, bound; and how they end."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from maestro_site.conf import MaestroSettings
from providers_app import loop, ports
from providers_app.errors import (
    InvalidLoginAnswer,
    InvalidRequest,
    LoginDenied,
    LoginError,
    LoginExpired,
    LoginUsed,
    UnknownLogin,
)
from providers_app.sign_in import flow as login_flow
from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.models import AuthSession, OAuthAttempt
from sessions_app.stores import logins
from sessions_app.stores.logins import DjangoLoginStore
from sessions_app.stores.refreshes import DjangoRefreshStore
from tests.unit.providers.login_flow.signer import Side
from tests.unit.sessions.login_store_kit import (
    CANARY,
    PENDING,
    advance,
    answer,
    at_once,
    begin,
    claim,
    opened,
    side,
    turn,
)

__all__ = ["side"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_the_apps_install_the_stores(db: Any) -> None:
    assert isinstance(ports.login_store(), DjangoLoginStore)
    assert isinstance(ports.refresh_store(), DjangoRefreshStore)


def test_what_waits_is_sealed(alice: User) -> None:
    attempt = opened(alice)
    advance(attempt, status="confirm", tokens=Secret(f"tokens {CANARY}"))
    attempt.refresh_from_db()
    for sealed in (attempt.sealed_pending, attempt.sealed_tokens):
        assert bytes(sealed) and CANARY.encode() not in bytes(sealed)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sessions_app_oauthattempt")
        assert CANARY not in repr([bytes(v) if isinstance(v, memoryview) else v for v in cursor.fetchall()[0]])
        assert "state-1" not in attempt.state_hash
    pending, held = credentials.open_attempt(attempt)
    assert CANARY in pending.reveal() and CANARY in held.reveal()
    assert CANARY not in repr(loop.run(DjangoLoginStore().find_login(alice.pk, login_id=str(attempt.pk), browser="b1")))


@pytest.mark.parametrize("status", ["done", "failed", "cancelled"])
def test_an_end_destroys_what_was_sealed_and_stays_the_end(alice: User, status: str) -> None:
    attempt = opened(alice)
    advance(attempt, tokens=Secret("tokens"))
    advance(attempt, status=status, error=LoginDenied("No."))
    advance(attempt, status="waiting", pending=PENDING, error=LoginExpired("Late."))
    attempt.refresh_from_db()
    assert (attempt.status, attempt.error_code, attempt.error) == (status, "login_denied", "No.")
    assert not bytes(attempt.sealed_pending) and not bytes(attempt.sealed_tokens)
    assert not claim(attempt)


def test_of_many_that_claim_at_once_one_has_it(alice: User) -> None:
    for _ in range(5):
        attempt = opened(alice)
        found = at_once(6, lambda attempt=attempt: claim(attempt))  # type: ignore[misc]
        assert sorted(found) == [False] * 5 + [True]


def test_of_many_that_want_the_turn_one_has_it(alice: User) -> None:
    attempt = opened(alice, method="device")
    marks = [mark for mark in at_once(6, lambda: turn(attempt, "", 30)) if mark]
    assert len(marks) == 1
    assert turn(attempt, "", 30) == ""
    kept = turn(attempt, marks[0], 60)
    assert kept and turn(attempt, marks[0] if marks[0] != kept else "polling@0", 60) == ""
    found = loop.run(DjangoLoginStore().find_login(alice.pk, login_id=str(attempt.pk), browser="b1"))
    assert found.state.step == "polling"
    OAuthAttempt.objects.update(step=f"polling@{0x10:08x}")
    assert turn(attempt, "", 30)
    assert claim(attempt)
    assert turn(attempt, kept, 30) == ""


def test_a_person_has_a_limited_number_of_sign_ins(alice: User, bob: User, side: Side, settings: Any) -> None:
    before: MaestroSettings = settings.MAESTRO
    limited = before.sessions.model_copy(update={"logins_per_owner": 2})
    settings.MAESTRO = before.model_copy(update={"sessions": limited})
    first = begin(alice, name="one_login")
    begin(alice, name="two_login")
    with pytest.raises(InvalidRequest, match="2 sign-ins"):
        begin(alice, name="three_login")
    begin(bob, name="three_login")
    loop.run(login_flow.cancel_login(first.id, browser="b1", owner=alice.pk))
    begin(alice, name="three_login")


def test_foreign_sign_ins_do_not_exist(alice: User, bob: User, side: Side) -> None:
    pending = begin(alice, method="callback", origin="https://maestro.example")
    came = dict(pair.split("=") for pair in side.allow(pending.url).partition("?")[2].split("&"))
    for owner, browser in ((bob, "b1"), (alice, "b2"), (alice, "")):
        with pytest.raises(UnknownLogin):
            loop.run(login_flow.complete_callback(came, browser=browser, owner=owner.pk))
        with pytest.raises(UnknownLogin):
            loop.run(login_flow.login_state(pending.id, browser=browser, owner=owner.pk))
    for wrong in ("", "x", "0" * 32):
        with pytest.raises(UnknownLogin):
            loop.run(login_flow.login_state(wrong, browser="b1", owner=alice.pk))
    session = loop.run(login_flow.complete_callback(came, browser="b1", owner=alice.pk))
    assert session.name == "dev_login"
    with pytest.raises(LoginUsed):
        loop.run(login_flow.complete_callback(came, browser="b1", owner=alice.pk))


def test_a_wrong_answer_is_shown_and_spends_nothing(alice: User, side: Side) -> None:
    pending = begin(alice)
    with pytest.raises(InvalidLoginAnswer):
        answer(alice, pending, "code#another-state")
    attempt = OAuthAttempt.objects.get()
    assert (attempt.status, attempt.error_code) == ("waiting", "invalid_login_answer")
    answer(alice, pending, side.allow(pending.url))
    assert OAuthAttempt.objects.get().error == ""


def test_a_device_code_completes_by_itself(alice: User, side: Side) -> None:
    pending = begin(alice, method="device")
    for code in side.devices:
        side.devices[code] = "acc-7"
    session = loop.run(login_flow.wait_login(pending.id, browser="b1", owner=alice.pk), 60)
    assert AuthSession.objects.get(pk=session.id).account_id == "acc-7"


def test_old_sign_ins_are_ended_and_later_deleted(alice: User) -> None:
    live, late, stalled, young = opened(alice), opened(alice), opened(alice), opened(alice)
    now = timezone.now()
    OAuthAttempt.objects.filter(pk=late.pk).update(expires_at=now - timedelta(seconds=1))
    OAuthAttempt.objects.filter(pk=stalled.pk).update(status="exchanging", expires_at=now - timedelta(minutes=3))
    OAuthAttempt.objects.filter(pk=young.pk).update(status="exchanging", expires_at=now - timedelta(minutes=1))
    assert logins.prune_logins() == 2
    assert {row.pk: row.status for row in OAuthAttempt.objects.all()} == {
        live.pk: "waiting",
        late.pk: "failed",
        stalled.pk: "failed",
        young.pk: "exchanging",
    }
    ended = OAuthAttempt.objects.get(pk=late.pk)
    assert ended.error_code == "login_expired" and not bytes(ended.sealed_pending)
    OAuthAttempt.objects.update(created_at=now - timedelta(days=8))
    assert logins.prune_logins() == 2
    assert {row.pk for row in OAuthAttempt.objects.all()} == {live.pk, young.pk}


def test_the_core_asks_for_a_person(side: Side) -> None:
    store = DjangoLoginStore()
    with pytest.raises(InvalidRequest):
        loop.run(store.require_place(ports.SYSTEM, "signer", "some_name"))
    with pytest.raises(LoginError):
        loop.run(store.find_login(1, login_id="not-an-id"))
