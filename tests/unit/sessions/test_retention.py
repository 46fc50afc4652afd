"""Dead logins: announced a week before, then switched off with their secrets destroyed, and nothing twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers_app.types.credentials import Secret
from sessions_app import credentials, selectors, tasks
from sessions_app.models import AuthSession, Notice, SessionEvent
from sessions_app.presenters.status import describe
from sessions_app.services import lifecycle, notices, retention
from tests.unit.sessions.logins import ago, ahead, make_login
from tests.unit.sessions.support import fresh, make

pytestmark = pytest.mark.both

DEAD = {"status": "needs_reauth", "status_reason": "It was revoked."}


def pass_days(days: float) -> None:
    """Let so many days go by for what is stored."""
    step = timedelta(days=days)
    for row in AuthSession.objects.defer("sealed_credential"):
        changes = {"status_changed_at": row.status_changed_at - step}
        if row.expires_at:
            changes["expires_at"] = row.expires_at - step
        AuthSession.objects.filter(pk=row.pk).update(**changes)
    for notice in Notice.objects.all():
        Notice.objects.filter(pk=notice.pk).update(created_at=notice.created_at - step)


def told(owner: User) -> list[str]:
    return [notice.kind for notice in notices.open_notices(owner.pk)]


@pytest.mark.parametrize("kind", ["refused", "ended", "a refused key"])
def test_a_dead_login_is_announced_a_week_before_and_then_switched_off(alice: User, kind: str) -> None:
    if kind == "a refused key":
        session = make(alice, "dead_one")
        AuthSession.objects.update(**DEAD)
    elif kind == "refused":
        session = make_login(alice, "dead_one", **DEAD)
    else:
        session = make_login(alice, "dead_one", expires_at=ago(seconds=1), next_refresh_at=None)
    fine = make_login(alice, "fine_one")
    pass_days(82)
    AuthSession.objects.filter(pk=fine.pk).update(expires_at=ahead(hours=1))
    assert retention.retire_dead() == (0, 0)
    pass_days(1.1)
    AuthSession.objects.filter(pk=fine.pk).update(expires_at=ahead(hours=1))
    assert retention.retire_dead() == (1, 0) and retention.retire_dead() == (0, 0)
    assert told(alice) == [notices.SWITCH_OFF_SOON]
    end = fresh(session).status_changed_at if kind != "ended" else fresh(session).expires_at
    notice = Notice.objects.get()
    assert end  # the warning promises a whole week, which is longer than what is left of the 90 days
    promised = max(end + timedelta(days=90), notice.created_at + retention.WARNED_BEFORE)
    assert f"switched off on {promised:%d %B %Y}" in notice.text
    pass_days(6.8)
    AuthSession.objects.filter(pk=fine.pk).update(expires_at=ahead(hours=1))
    assert retention.retire_dead() == (0, 0)
    pass_days(0.3)
    AuthSession.objects.filter(pk=fine.pk).update(expires_at=ahead(hours=1))
    assert retention.retire_dead() == (0, 1) and retention.retire_dead() == (0, 0)
    after = AuthSession.objects.get(pk=session.pk)
    assert after.status == "disabled" and not credentials.has_secret(after) and not after.sealed_credential
    assert after.token_print == "" and after.next_refresh_at is None and after.generation == session.generation + 1
    assert told(alice) == [notices.SWITCHED_OFF]
    event = SessionEvent.objects.filter(session=session).first()
    assert event is not None and event.action == "switched-off" and "90 days" in event.detail
    assert describe(fresh(session)).action in ("reauth", "key")
    assert credentials.has_secret(fresh(fine))


def test_after_a_long_pause_of_maestro_itself_nothing_is_destroyed_without_a_week_of_notice(alice: User) -> None:
    session = make_login(alice, "asleep", expires_at=ago(days=200), next_refresh_at=ago(days=200))
    assert retention.retire_dead() == (1, 0)
    assert f"{timezone.now() + timedelta(days=7):%d %B %Y}" in Notice.objects.get().text
    AuthSession.objects.update(expires_at=ahead(hours=1), next_refresh_at=ahead(minutes=50))
    pass_days(0)
    Notice.objects.update(created_at=ago(days=8))
    assert retention.retire_dead() == (0, 0) and credentials.has_secret(fresh(session)), "it was refreshed"


def test_a_notice_that_was_dismissed_counts_and_one_of_an_earlier_death_does_not(alice: User) -> None:
    dismissed = make_login(alice, "dismissed", **DEAD, status_changed_at=ago(days=91))
    recovered = make_login(alice, "recovered", **DEAD, status_changed_at=ago(days=91))
    assert retention.retire_dead() == (2, 0)
    Notice.objects.update(created_at=ago(days=100), resolved_at=ago(days=99))
    Notice.objects.filter(session=dismissed).update(created_at=ago(days=8), resolved_at=ago(days=8))
    assert retention.retire_dead() == (1, 1)
    assert fresh(dismissed).status == "disabled" and fresh(recovered).status == "needs_reauth"


def test_zero_days_is_never(alice: User, settings: Any) -> None:
    config = settings.MAESTRO.sessions.model_copy(update={"dead_after_days": 0})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"sessions": config})
    make_login(alice, **DEAD, status_changed_at=ago(days=9999))
    assert retention.retire_dead() == (0, 0) and not Notice.objects.exists()


def test_what_a_person_switched_off_or_deleted_is_left_alone(alice: User) -> None:
    off = make_login(alice, "off", status="disabled", status_changed_at=ago(days=9999))
    lifecycle.trash(make_login(alice, "trashed", **DEAD, status_changed_at=ago(days=9999)))
    assert retention.retire_dead() == (0, 0) and credentials.has_secret(fresh(off))


@pytest.mark.parametrize("how", ["signed in", "refreshed"])
def test_who_mends_it_at_the_last_moment_wins(alice: User, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "signed in":
        session = make_login(alice, **DEAD, status_changed_at=ago(days=91))
        mended: dict[str, Any] = {"status": "active"}
    else:
        session, mended = make_login(alice, expires_at=ago(days=91)), {"generation": 1}
    retention.retire_dead()
    Notice.objects.update(created_at=ago(days=8))
    switch_off = lifecycle.switch_off

    def just_after(*args: Any, **kwargs: Any) -> bool:
        AuthSession.objects.update(**mended)
        return switch_off(*args, **kwargs)

    monkeypatch.setattr(lifecycle, "switch_off", just_after)
    assert retention.retire_dead() == (0, 0)
    assert credentials.has_secret(fresh(session)) and notices.SWITCHED_OFF not in told(alice)


def test_a_login_that_ended_unnoticed_is_told_once(alice: User) -> None:
    stuck = make_login(alice, "stuck", expires_at=ago(minutes=30), next_refresh_at=ago(minutes=40))
    make_login(alice, "imported", expires_at=ago(hours=2), next_refresh_at=None, read_only_reason="Codex refreshes it.")
    make_login(alice, "a_moment_late", expires_at=ago(minutes=1), next_refresh_at=ago(minutes=2))
    make_login(alice, "known_already", **DEAD, expires_at=ago(hours=3))
    assert retention.tell_ended() == 2 and retention.tell_ended() == 0
    titles = {notice.title for notice in notices.open_notices(alice.pk)}
    assert titles == {"stuck could not be refreshed in time", "imported has ended"}
    texts = " ".join(Notice.objects.values_list("text", flat=True))
    assert "Codex refreshes it." in texts and "/readyz" in texts
    notices.dismiss(alice.pk, stuck.notices.get().pk)
    assert retention.tell_ended() == 0, "a dismissed one does not come back"
    AuthSession.objects.filter(pk=stuck.pk).update(expires_at=ago(minutes=10))
    Notice.objects.update(created_at=ago(minutes=20))
    assert retention.tell_ended() == 1, "it worked in between, and ended again"


SETTLED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (notices.NEEDS_REAUTH, DEAD, {"status": "active"}),
    (notices.ANSWER_LOST, DEAD, {"status": "disabled"}),
    (notices.FORBIDDEN, {"status": "forbidden"}, {"status": "active"}),
    (notices.ENDED, {"expires_at": ago(hours=1)}, {"expires_at": ahead(hours=1)}),
    (notices.ENDED, {"expires_at": ago(hours=1)}, {"expires_at": None}),
    (notices.REFRESH_FAILING, {"refresh_error_code": "x"}, {"refresh_error_code": ""}),
    (notices.SWITCH_OFF_SOON, DEAD, {"status": "active"}),
    (notices.SWITCHED_OFF, {"status": "disabled"}, {"status": "active"}),
]


@pytest.mark.parametrize(("kind", "while_true", "afterwards"), SETTLED)
def test_a_notice_is_over_when_its_reason_is_gone_and_not_before(
    alice: User, kind: str, while_true: dict[str, Any], afterwards: dict[str, Any]
) -> None:
    session = make_login(alice, **while_true)
    notices.raise_notice(session, kind, "It is so")
    Notice.objects.update(created_at=ago(hours=2))
    tasks.watch()
    assert kind in told(alice)
    AuthSession.objects.update(**afterwards)
    Notice.objects.update(created_at=timezone.now())
    tasks.watch()
    assert kind in told(alice), "raised in this moment, its session may not be written yet"
    Notice.objects.update(created_at=ago(hours=2))
    tasks.watch()
    assert kind not in told(alice)


def test_switched_on_again_without_secrets_it_asks_for_a_sign_in(alice: User) -> None:
    session = make_login(alice)
    assert lifecycle.switch_off(session, "Revoked at the provider.", actor_id=alice.pk)
    lifecycle.enable(fresh(session), actor_id=alice.pk)
    after = fresh(session)
    assert after.status == "needs_reauth" and describe(after).action == "reauth" and not after.key_id
    lifecycle.disable(after)
    AuthSession.objects.update(key_id="present")
    lifecycle.enable(fresh(session))
    assert fresh(session).status == "active"


def test_the_hourly_task_is_the_whole_of_it(alice: User) -> None:
    make_login(alice, **DEAD, status_changed_at=ago(days=91))
    old = notices.raise_notice(make(alice, "other", secret=Secret("sk-ant-" + "y" * 40)), notices.FORBIDDEN, "Old")
    Notice.objects.filter(pk=old.pk).update(resolved_at=ago(days=400))
    tasks.retire_dead()
    tasks.retire_dead()
    assert told(alice) == [notices.SWITCH_OFF_SOON] and Notice.objects.count() == 1
    assert selectors.attention_count(alice.pk) == 1
