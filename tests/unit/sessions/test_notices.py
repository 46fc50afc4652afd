"""Notices: one per matter, over when it is over, and nobody else's."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from providers_app import errors
from providers_app.types.credentials import Secret
from sessions_app import selectors
from sessions_app.models import AuthSession, Notice
from sessions_app.services import connect, lifecycle, notices, outcomes
from tests.unit.sessions.logins import make_login
from tests.unit.sessions.support import CANARY, fresh, make

pytestmark = pytest.mark.both


def kinds(owner: User) -> list[str]:
    return [notice.kind for notice in notices.open_notices(owner.pk)]


def test_the_same_matter_is_one_notice_whose_words_are_brought_up_to_date(alice: User) -> None:
    session = make_login(alice)
    first = notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you", "once")
    again = notices.raise_notice(session, notices.NEEDS_REAUTH, "It still needs you", "x" * 900)
    assert again.pk == first.pk and Notice.objects.count() == 1
    assert again.title == "It still needs you" and len(again.text) == 600
    notices.raise_notice(session, notices.FORBIDDEN, "Something else")
    assert kinds(alice) == [notices.FORBIDDEN, notices.NEEDS_REAUTH]


def test_a_resolved_matter_can_be_raised_anew(alice: User) -> None:
    session = make_login(alice)
    notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you")
    assert notices.resolve(session, (notices.FORBIDDEN,)) == 0
    assert notices.resolve(session, (notices.NEEDS_REAUTH,)) == 1 and kinds(alice) == []
    notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you again")
    assert Notice.objects.count() == 2 and kinds(alice) == [notices.NEEDS_REAUTH]
    notices.raise_notice(session, notices.FORBIDDEN, "And this")
    assert notices.resolve(session) == 2 and kinds(alice) == []


def test_of_two_words_for_one_sign_in_the_more_precise_one_stays(alice: User) -> None:
    session = make_login(alice)
    notices.raise_notice(session, notices.NEEDS_REAUTH, "Refused")
    notices.raise_notice(session, notices.ANSWER_LOST, "Lost")
    assert kinds(alice) == [notices.ANSWER_LOST]
    assert notices.raise_notice(session, notices.NEEDS_REAUTH, "Refused").title == "Lost"
    assert kinds(alice) == [notices.ANSWER_LOST]


def test_only_the_owner_sees_dismisses_and_takes_back(alice: User, bob: User) -> None:
    notice = notices.raise_notice(make_login(alice), notices.NEEDS_REAUTH, "It needs you")
    assert kinds(bob) == [] and notices.see(bob.pk) == 0 and not notices.dismiss(bob.pk, notice.pk)
    assert notices.see(alice.pk, [notice.pk]) == 1 and notices.see(alice.pk) == 0
    assert notices.dismiss(alice.pk, notice.pk) and not notices.dismiss(alice.pk, notice.pk)
    assert not notices.reopen(bob.pk, notice.pk) and notices.reopen(alice.pk, notice.pk)
    assert kinds(alice) == [notices.NEEDS_REAUTH]


def test_a_dismissal_is_taken_back_only_for_a_while_and_not_beside_its_successor(alice: User) -> None:
    session = make_login(alice)
    notice = notices.raise_notice(session, notices.NEEDS_REAUTH, "First")
    notices.dismiss(alice.pk, notice.pk)
    later = notices.raise_notice(session, notices.NEEDS_REAUTH, "Second")
    assert not notices.reopen(alice.pk, notice.pk) and kinds(alice) == [notices.NEEDS_REAUTH]
    notices.dismiss(alice.pk, later.pk)
    Notice.objects.update(resolved_at=timezone.now() - timedelta(hours=1))
    assert not notices.reopen(alice.pk, later.pk)


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_say_the_same_say_it_once(alice: User) -> None:
    session = make_login(alice)
    ready = threading.Barrier(4)
    failed: list[BaseException] = []

    def say() -> None:
        try:
            ready.wait(10)
            notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you")
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed and Notice.objects.count() == 1


def test_a_deleted_sessions_notices_wait_with_it_and_go_with_it(alice: User) -> None:
    session = make_login(alice)
    notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you")
    lifecycle.trash(session)
    assert kinds(alice) == []
    lifecycle.restore(alice.pk, session.pk)
    assert kinds(alice) == [notices.NEEDS_REAUTH]
    lifecycle.delete(session)
    assert not Notice.objects.exists()


def test_the_number_that_needs_a_person_counts_sessions_not_notices(
    alice: User, bob: User, django_assert_num_queries: Any
) -> None:
    broken = make_login(alice, "broken", status="needs_reauth")
    for kind in (notices.NEEDS_REAUTH, notices.SWITCH_OFF_SOON):
        notices.raise_notice(broken, kind, "It needs you")
    off = make_login(alice, "off", status="disabled")
    said = notices.raise_notice(off, notices.SWITCHED_OFF, "It was switched off")
    make_login(alice, "fine")
    with django_assert_num_queries(1):
        assert selectors.attention_count(alice.pk) == 2
    notices.dismiss(alice.pk, said.pk)
    notices.dismiss(alice.pk, Notice.objects.get(kind=notices.NEEDS_REAUTH).pk)
    assert selectors.attention_count(alice.pk) == 1, "a dismissed notice does not mend a session"
    assert selectors.attention_count(bob.pk) == 0


def test_another_key_and_switching_off_settle_what_was_said(alice: User) -> None:
    session = make(alice, "with_key")
    outcomes.record(session.pk, errors.AuthenticationFailed("refused", status=401), tested=False)
    assert kinds(alice) == [notices.NEEDS_REAUTH]
    connect.replace_key(fresh(session), Secret(f"sk-ant-{CANARY}"), actor_id=alice.pk)
    assert kinds(alice) == []
    outcomes.record(session.pk, errors.PermissionDenied("no", status=403), tested=False)
    assert kinds(alice) == [notices.FORBIDDEN]
    lifecycle.disable(fresh(session))
    assert kinds(alice) == []


def test_old_resolved_notices_are_forgotten_and_open_ones_kept(alice: User) -> None:
    session = make_login(alice)
    notices.raise_notice(session, notices.NEEDS_REAUTH, "Open for long")
    done = notices.raise_notice(session, notices.FORBIDDEN, "Over for long")
    Notice.objects.update(created_at=timezone.now() - timedelta(days=999))
    Notice.objects.filter(pk=done.pk).update(resolved_at=timezone.now() - timedelta(days=200))
    assert notices.prune() == 1 and notices.prune() == 0
    assert AuthSession.objects.get().notices.get().kind == notices.NEEDS_REAUTH
