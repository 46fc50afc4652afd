"""What an ended sign-in obtained is kept, sealed, until the provider has ended it; and how long that is tried."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from providers_app import errors, loop
from providers_app.sign_in import owed
from providers_app.sign_in.exchange import sealed
from sessions_app.models import Notice, OAuthAttempt
from sessions_app.services import notices
from sessions_app.stores import logins
from tests.unit.providers.login_flow.signer import Side
from tests.unit.sessions.login_store_kit import STORE, advance, create, opened, side, tokens

__all__ = ["side"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def left(owner: User, refresh: str, *, step: str = "finish", **columns: Any) -> OAuthAttempt:
    """A sign-in whose time is over, with tokens that came to no session."""
    attempt = opened(owner)
    advance(attempt, status="confirm", step=step, tokens=sealed(tokens(refresh)), account="ada@example.com")
    OAuthAttempt.objects.filter(pk=attempt.pk).update(expires_at=timezone.now() - timedelta(minutes=3), **columns)
    return attempt


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the provider was asked, and answered a little later."""
    told: list[str] = []

    async def end_pair(provider: str, found: Any) -> None:
        told.append(f"begin {found.refresh.reveal()}")
        for _ in range(3):
            await asyncio.sleep(0)
        told.append("end")
        if "away" in found.refresh.reveal():
            raise errors.ConnectionFailed("The provider could not be reached.")

    monkeypatch.setattr(owed, "end_pair", end_pair)
    return told


def kept(attempt: OAuthAttempt) -> bool:
    attempt.refresh_from_db()
    assert attempt.status == "failed" and not bytes(attempt.sealed_pending)
    assert bool(bytes(attempt.sealed_tokens)) is (attempt.revoke_at is not None)
    return attempt.revoke_at is not None


def test_all_that_is_due_is_revoked_at_once(alice: User, side: Side, asked: list[str]) -> None:
    held = [left(alice, f"refresh-{number}") for number in range(3)]
    assert logins.prune_logins() == 3
    assert [line[:5] for line in asked] == ["begin"] * 3 + ["end"] * 3
    assert not any(map(kept, held))


def test_what_cannot_be_revoked_is_kept_and_tried_less_and_less_often(
    alice: User, side: Side, asked: list[str]
) -> None:
    attempt = left(alice, "away")
    for age in (timedelta(minutes=1), timedelta(hours=4), timedelta(hours=60)):
        now = timezone.now()
        OAuthAttempt.objects.exclude(status="confirm").update(revoke_at=now)
        OAuthAttempt.objects.update(created_at=now - age)
        logins.prune_logins()
        assert kept(attempt)
        pause = min(max(age / 2, timedelta(minutes=1)), timedelta(hours=6))
        assert attempt.revoke_at is not None and pause <= attempt.revoke_at - now < pause + timedelta(minutes=5)
        asks = len(asked)
        logins.prune_logins()
        assert len(asked) == asks, "not before its time"
    assert asks == 6 and not Notice.objects.exists()


def test_one_process_alone_revokes_it(alice: User, side: Side) -> None:
    attempt = left(alice, "refresh-1")
    OAuthAttempt.objects.update(status="failed", revoke_at=timezone.now())
    assert [found.state.id for found in loop.run(STORE.owed_logins())] == [str(attempt.pk)]
    assert loop.run(STORE.owed_logins()) == []


def test_tokens_that_can_never_be_revoked_are_destroyed_and_their_owner_is_told(
    alice: User, side: Side, asked: list[str], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = left(alice, "away", created_at=timezone.now() - timedelta(days=4))
    with caplog.at_level(logging.ERROR):
        logins.prune_logins()
    assert not kept(attempt) and asked == []
    notice = Notice.objects.get()
    assert (notice.owner_id, notice.kind, notice.session) == (alice.pk, notices.NOT_REVOKED, None)
    assert "as ada@example.com came to no session" in notice.text and "could not be revoked" in caplog.text
    client.force_login(alice)
    assert notice.text.split(".")[0] in client.get(reverse("sessions:notices")).content.decode()


@pytest.mark.parametrize("stored", [True, False])
def test_what_was_about_to_be_stored_is_revoked_only_where_no_session_has_it(
    alice: User, side: Side, asked: list[str], stored: bool
) -> None:
    attempt = left(alice, "refresh-1", step="store", status="exchanging")
    if stored:
        create(alice, "dev_login", tokens("refresh-1"))
    logins.prune_logins()
    assert not kept(attempt)
    assert asked == ([] if stored else ["begin refresh-1", "end"])


def test_a_row_is_not_forgotten_while_something_is_owed(
    alice: User, side: Side, asked: list[str], settings: Any
) -> None:
    short = settings.MAESTRO.sessions.model_copy(update={"logins_kept_days": 1})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"sessions": short})
    attempt = left(alice, "away", created_at=timezone.now() - timedelta(days=2))
    for _ in range(2):
        logins.prune_logins()
        assert kept(attempt)
    loop.run(STORE.settle_login(str(attempt.pk)))
    logins.prune_logins()
    assert not OAuthAttempt.objects.exists()
