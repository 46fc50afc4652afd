"""Django admin of what the services write: to be read, never changed by hand, and nothing sealed on it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.models import AuthSession, ImportRun, Notice, OAuthAttempt, RefreshLane
from sessions_app.services import notices
from tests.unit.sessions.logins import ACCESS, REFRESH, ahead, make_login
from tests.unit.sessions.support import CANARY, settle
from tests.web.sessions.support import messages_of, signed_in, text_of

MODELS = ("refreshlane", "oauthattempt", "notice", "importrun", "sessionevent")


@pytest.fixture
def admin(db: Any) -> Client:
    return signed_in(User.objects.create_superuser("root", password="a long enough password"))


def filled(owner: User) -> dict[str, Any]:
    """A row of each kind; the primary keys by model."""
    session = make_login(owner, "her_login")
    attempt = OAuthAttempt(owner=owner, provider="openai", flow="chatgpt", method="device", name="x", browser="hash-b")
    attempt.state_hash, attempt.expires_at = "hash-of-a-state", timezone.now()
    for column, value in credentials.attempt_columns(attempt.pk, pending=Secret(CANARY), tokens=Secret(CANARY)).items():
        setattr(attempt, column, value)
    attempt.save()
    run = ImportRun(owner=owner, kind="llm", digest="d" * 64)
    for column, value in credentials.backup_columns(run.pk, CANARY.encode()).items():
        setattr(run, column, value)
    run.save()
    notice = notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you")
    event = session.events.first()
    assert event is not None
    return {
        "refreshlane": session.lane_id, "oauthattempt": attempt.pk, "notice": notice.pk, "importrun": run.pk,
        "sessionevent": event.pk,
    }  # fmt: skip


def address(model: str, what: str, *args: Any) -> str:
    return reverse(f"admin:sessions_app_{model}_{what}", args=args)


def test_each_kind_is_listed_and_read_without_anything_sealed(admin: Client, alice: User) -> None:
    rows = filled(alice)
    sealed = [
        bytes(value)
        for row in (OAuthAttempt.objects.get(), ImportRun.objects.get(), AuthSession.objects.get())
        for value in vars(row).values()
        if isinstance(value, bytes | memoryview)
    ]
    assert len(sealed) == 4 and all(sealed)
    for model in MODELS:
        for url in (address(model, "changelist"), address(model, "change", rows[model])):
            page = admin.get(url)
            assert page.status_code == 200, url
            body = page.content.decode()
            for secret in (CANARY, ACCESS, REFRESH, "hash-of-a-state", "hash-b", *(repr(value) for value in sealed)):
                assert secret not in body, (url, secret)
    assert RefreshLane.objects.get().key not in admin.get(address("refreshlane", "changelist")).content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_nobody_adds_changes_or_deletes_them_by_hand(admin: Client, alice: User, model: str) -> None:
    pk = filled(alice)[model]
    assert admin.get(address(model, "add")).status_code == 403
    assert admin.post(address(model, "change", pk), {"title": "x"}).status_code == 403
    assert admin.post(address(model, "delete", pk), {"post": "yes"}).status_code == 403


def test_the_columns_of_a_sign_in_are_shown_and_not_changed(admin: Client, alice: User) -> None:
    session = make_login(alice, "hers", presentations=2, refresh_error="The endpoint answered 503.")
    url = address("authsession", "change", session.pk)
    page = admin.get(url)
    text = text_of(page)
    assert "chatgpt" in text and "The endpoint answered 503." in text and ACCESS not in page.content.decode()
    assert 'name="key"' not in page.content.decode() and 'name="base_url"' not in page.content.decode()
    data = {"name": "renamed", "base_url": "https://evil.example", "flow": "other", "generation": 9}
    assert admin.post(url, data | {"key": "sk-x"}).status_code == 200, "a key typed in by force is refused"
    assert AuthSession.objects.get().name == "hers"
    assert admin.post(url, data).status_code == 302
    after = AuthSession.objects.get()
    assert (after.name, after.base_url, after.flow, after.generation) == ("renamed", "", "chatgpt", 0)
    tokens = credentials.open_tokens(after)
    assert tokens is not None and tokens.access.reveal().startswith(ACCESS)


def test_notices_are_resolved_in_bulk(admin: Client, alice: User) -> None:
    pk = filled(alice)["notice"]
    data = {"action": "resolve_selected", "_selected_action": [pk]}
    answer = admin.post(address("notice", "changelist"), data)
    assert "1 resolved." in messages_of(answer) and Notice.objects.get().resolved_at is not None


@pytest.mark.django_db(transaction=True)
def test_sign_ins_are_refreshed_in_bulk_and_others_left_alone(admin: Client, alice: User) -> None:
    hers = make_login(alice, "read_only_one", read_only_reason="Codex refreshes it.", expires_at=ahead(hours=1))
    data = {"action": "refresh_selected", "_selected_action": [str(hers.pk)]}
    assert "Codex refreshes it." in messages_of(admin.post(address("authsession", "changelist"), data))
    AuthSession.objects.update(auth_type="api_key")
    assert "None of them" in messages_of(admin.post(address("authsession", "changelist"), data))
    settle()
