"""Each list of sessions and their records in the admin: its columns, words, filters and dates."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.db.models import Model
from django.test import Client

from sessions_app import admin, admin_aliases, admin_records
from sessions_app.models import (
    Alias,
    AliasRoute,
    AllowedAddress,
    AuthSession,
    ImportRun,
    Notice,
    OAuthAttempt,
    RefreshLane,
    SessionEvent,
)
from tests.unit.sessions.logins import ahead, make_login
from tests.unit.sessions.support import make
from tests.web.admin_lists import Listed, address, check
from tests.web.sessions.support import signed_in, text_of


@pytest.fixture
def operator(db: Any) -> Client:
    return signed_in(User.objects.create_superuser("root", password="a long enough password"))


def at(year: int) -> datetime:
    return datetime(year, 5, 6, 7, 8, tzinfo=UTC)


def wrote(row: Model, **columns: Any) -> Any:
    """The row with other values, its times included."""
    type(row)._default_manager.filter(pk=row.pk).update(**columns)
    return type(row)._default_manager.get(pk=row.pk)


def sessions(alice: User, bob: User) -> Listed:
    row = wrote(
        make_login(alice, "her_login"), status="needs_reauth", status_reason="It was revoked.",
        account_label="her account", last_used_at=at(2001), expires_at=at(2002),
    )  # fmt: skip
    columns = {
        "name": "her_login", "provider": "openai", "auth_type": "OAuth", "owner": "alice", "state": "Needs re-auth",
        "reason": "It was revoked", "last_used_at": "2001", "expires_at": "2002",
    }  # fmt: skip
    return Listed(row, make(bob, "his_key"), columns, ("her_login", "openai", "alice", "her account"))


def events(alice: User, bob: User) -> Listed:
    SessionEvent.objects.all().delete()
    row = wrote(
        SessionEvent.objects.create(
            session_label="openai/oauth:hers", owner=alice, actor=bob, action="renamed", detail="Was: old name."
        ),
        at=at(2001),
    )  # fmt: skip
    other = SessionEvent.objects.create(session_label="x", owner=bob, actor=alice, action="created")
    columns = {
        "at": "2001", "session_label": "openai/oauth:hers", "action": "renamed", "detail": "Was: old name.",
        "owner": "alice", "actor": "bob",
    }  # fmt: skip
    return Listed(row, other, columns, ("oauth:hers", "old name"), "2001")


def lanes(alice: User, bob: User) -> Listed:
    first, second = make_login(alice, "her_login"), make_login(alice, "same_account")
    wrote(second, lane=first.lane)
    assert first.lane is not None
    row = wrote(first.lane, key="k" * 12 + "rest", holder="host-7", lease_until=ahead(hours=1))
    other = make_login(bob, "his_login").lane
    assert other is not None
    columns = {"lane": "k" * 12, "used_by": "2", "taken": "True", "lease_until": ".m.", "holder": "host-7"}
    return Listed(row, other, columns, ("kkkrest", "her_login", "same_account"))


def attempts(alice: User, bob: User) -> Listed:
    row = OAuthAttempt.objects.create(
        owner=alice, provider="openai", flow="chatgpt", method="device", name="hers", status="failed", step="asked",
        error_code="login_failed", expires_at=at(2030),
    )  # fmt: skip
    row = wrote(row, created_at=at(2001))
    other = OAuthAttempt.objects.create(
        owner=bob, provider="anthropic", flow="claude", method="code", name="his", expires_at=at(2030)
    )
    columns = {
        "created_at": "2001", "owner": "alice", "provider": "openai", "flow": "chatgpt", "method": "device",
        "name": "hers", "status": "Failed", "step": "asked", "error_code": "login_failed",
    }  # fmt: skip
    return Listed(row, other, columns, ("hers", "openai", "login_failed", "alice"), "2001")


def notices(alice: User, bob: User) -> Listed:
    row = wrote(
        Notice.objects.create(owner=alice, key="k", kind="needs_reauth", title="It needs you", text="The reason."),
        created_at=at(2001), seen_at=at(2002), resolved_at=at(2003), emailed_at=at(2004), email_attempts=7,
    )  # fmt: skip
    other = Notice.objects.create(owner=bob, key="k", kind="other", title="x")
    columns = {
        "created_at": "2001", "owner": "alice", "kind": "needs_reauth", "title": "It needs you", "seen_at": "2002",
        "resolved_at": "2003", "emailed_at": "2004", "email_attempts": "7",
    }  # fmt: skip
    return Listed(row, other, columns, ("needs you", "the reason", "alice"), "2001")


def addresses(alice: User, bob: User) -> Listed:
    row = wrote(AllowedAddress.objects.create(pair="10.0.0.1:80", allowed_by=alice), allowed_at=at(2001))
    other = AllowedAddress.objects.create(pair="10.0.0.2:80", allowed_by=bob)
    return Listed(row, other, {"pair": "10.0.0.1:80", "allowed_by": "alice", "allowed_at": "2001"})


def imports(alice: User, bob: User) -> Listed:
    row = ImportRun.objects.create(
        owner=alice, kind="llm", digest="d", rows=1234, created=11, replaced=12, unchanged=13
    )
    row = wrote(row, created_at=at(2001), rolled_back_at=at(2002))
    other = ImportRun.objects.create(owner=bob, kind="keys", digest="e")
    columns = {
        "created_at": "2001", "owner": "alice", "kind": "llm", "rows": "1234", "created": "11", "replaced": "12",
        "unchanged": "13", "rolled_back_at": "2002",
    }  # fmt: skip
    return Listed(row, other, columns)


def other_names(alice: User, bob: User) -> Listed:
    row = Alias.objects.create(owner=alice, name="fast", sticky=True)
    for place, model in enumerate(("striped", "plain")):
        AliasRoute.objects.create(alias=row, session=make(alice, f"key_{place}"), model=model, position=place)
    other = Alias.objects.create(owner=bob, name="slow", sticky=False)
    columns = {"name": "fast", "owner": "alice", "sticky": "True", "number_of_routes": "2", "updated_at": "2001"}
    return Listed(wrote(row, updated_at=at(2001)), other, columns, ("fast", "alice", "key_1", "striped"))


MADE: dict[Any, Any] = {
    admin_aliases.AliasAdmin: other_names,
    admin.AuthSessionAdmin: sessions,
    admin.SessionEventAdmin: events,
    admin_records.RefreshLaneAdmin: lanes,
    admin_records.OAuthAttemptAdmin: attempts,
    admin_records.NoticeAdmin: notices,
    admin_records.AllowedAddressAdmin: addresses,
    admin_records.ImportRunAdmin: imports,
}


@pytest.mark.parametrize("kind", MADE)
def test_each_column_shows_its_value_and_each_word_filter_and_date_finds_its_row(
    operator: Client, alice: User, bob: User, kind: Any
) -> None:
    assert run_checks() == []
    check(operator, kind, MADE[kind](alice, bob))


READ = {
    admin_records.OAuthAttemptAdmin: {
        "target": "openai/oauth:target", "result": "openai/oauth:result", "account": "her account",
        "error": "It said no.", "error_hint": "Ask again.", "expires_at": "2030",
    },
    admin_records.NoticeAdmin: {"session": "openai/oauth:target", "text": "The reason."},
    admin_records.ImportRunAdmin: {"source": "llm.json", "digest": "d"},
    admin_records.AllowedAddressAdmin: {},
    admin_records.RefreshLaneAdmin: {},
}  # fmt: skip
"""What the page of a row shows beside the columns of its list."""


@pytest.mark.parametrize("kind", READ)
def test_the_page_of_a_record_shows_the_rest_of_it(operator: Client, alice: User, bob: User, kind: Any) -> None:
    listed = MADE[kind](alice, bob)
    written: dict[str, Any] = dict(READ[kind])
    for name in {"target", "result", "session"} & set(written):
        written[name] = make_login(alice, str(written[name]).rpartition(":")[2])
    wrote(listed.row, **{name: value for name, value in written.items() if name != "expires_at"})
    page = operator.get(address(kind, "change", listed.row.pk))
    assert page.status_code == 200
    text = text_of(page)
    for shown in (*listed.columns.values(), *READ[kind].values()):
        assert shown in text or shown == "True", shown


def test_the_page_of_a_sign_in_shows_what_the_services_keep_of_it(operator: Client, alice: User) -> None:
    session = make_login(alice, "hers")
    years = {
        name: at(2001 + number)
        for number, name in enumerate((
            "status_changed_at", "last_error_at", "limited_until", "tested_at", "last_used_at", "expires_at",
            "created_at", "refreshed_at", "next_refresh_at", "earliest_refresh_at", "intent_at", "refresh_failed_at",
        ))
    }  # fmt: skip
    texts = {
        "last_error_code": "code-1", "last_error": "error-2", "account_label": "label-3", "account_id": "account-4",
        "read_only_reason": "reason-5", "refresh_error_code": "code-6", "refresh_error": "error-7", "flow": "flow-8",
    }  # fmt: skip
    numbers = {"generation": 1234, "intent_generation": 2345, "presentations": 345, "refresh_attempts": 456}
    wrote(session, **years, **texts, **numbers)
    page = operator.get(address(AuthSession, "change", session.pk))
    text = text_of(page)
    for shown in (*(str(value.year) for value in years.values()), *texts.values(), *map(str, numbers.values())):
        assert shown in text, shown
    assert str(session.pk) in text and str(session.lane) in text
    typed = operator.get(address(AuthSession, "change", make(alice, "keyed").pk)).context["adminform"].form.fields
    assert set(typed) - {"key"} == {"name", "base_url", "chosen"}
    assert set(page.context["adminform"].form.fields) - {"key"} == {"name", "chosen"}


def test_a_lane_is_taken_only_until_its_lease_ends(operator: Client, alice: User) -> None:
    registered = admin_records.RefreshLaneAdmin(RefreshLane, admin.admin.site)
    assert registered.taken(RefreshLane(lease_until=ahead(seconds=60)))
    assert not registered.taken(RefreshLane(lease_until=at(2001))) and not registered.taken(RefreshLane())


def test_a_session_that_is_added_keeps_its_address(operator: Client, alice: User) -> None:
    data = {
        "owner": alice.pk, "provider": "remote", "auth_type": "api_key", "name": "box", "key": "sk-x",
        "base_url": "http://127.0.0.1:8080/v1",
    }  # fmt: skip
    answer = operator.post(address(AuthSession, "add"), data)
    assert answer.status_code == 302, answer.context["errors"]
    assert AuthSession.objects.get().base_url == "http://127.0.0.1:8080/v1"
