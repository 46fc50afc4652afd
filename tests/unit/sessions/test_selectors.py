"""Reads: owner scope, references, states and their counts."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from providers_app import errors
from providers_app.ports import SYSTEM
from providers_app.types.credentials import Secret
from sessions_app import selectors
from sessions_app.models import AuthSession
from sessions_app.presenters.status import describe
from sessions_app.stores.sessions import as_session
from tests.unit.sessions.support import fresh, make

pytestmark = pytest.mark.both

NOW = timezone.now()
STATES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "active", ""),
    ({"expires_at": NOW + timedelta(days=2)}, "active", ""),
    ({"expires_at": NOW + timedelta(minutes=30)}, "expiring", "key"),
    ({"expires_at": NOW - timedelta(minutes=1)}, "expired", "key"),
    ({"limited_until": NOW + timedelta(minutes=5)}, "limited", "details"),
    ({"limited_until": NOW - timedelta(minutes=5)}, "active", ""),
    ({"last_error_code": "connection_failed", "last_error": "refused", "last_error_at": NOW}, "unreachable", "test"),
    ({"last_error_code": "upstream_server_error"}, "active", ""),
    ({"status": "needs_reauth", "expires_at": NOW - timedelta(days=1)}, "needs_reauth", "key"),
    ({"status": "forbidden"}, "forbidden", "details"),
    ({"status": "misconfigured"}, "misconfigured", "address"),
    ({"status": "disabled", "last_error_code": "connection_failed"}, "disabled", "enable"),
]


@pytest.mark.parametrize(("values", "state", "action"), STATES)
def test_the_shown_state_follows_from_what_is_stored_and_the_clock(
    alice: User, values: dict[str, Any], state: str, action: str
) -> None:
    session = make(alice)
    AuthSession.objects.filter(pk=session.pk).update(tested_at=NOW, **values)
    view = describe(fresh(session))
    assert (view.state, view.action) == (state, action)
    assert view.label and view.words and view.action_label
    if state not in {"active"}:
        assert state in "".join(sum(selectors.GROUPS.values(), ()))


def test_an_untested_session_asks_to_be_tested(alice: User) -> None:
    view = describe(make(alice))
    assert (view.words, view.action) == ("Not tested yet", "test")
    AuthSession.objects.update(last_used_at=NOW)
    assert describe(selectors.get(alice.pk, AuthSession.objects.get().pk)).words == "Worked"


def test_counts_are_one_query_and_agree_with_the_groups(alice: User, bob: User, django_assert_num_queries: Any) -> None:
    for number, (values, _, _) in enumerate(STATES):
        AuthSession.objects.filter(pk=make(alice, f"session_{number}").pk).update(**values)
    make(bob, "not_hers")
    with django_assert_num_queries(1):
        counts = selectors.counts(alice.pk)
    assert counts == {"all": 12, "active": 4, "expiring": 1, "limited": 2, "attention": 4, "disabled": 1}
    for group in selectors.GROUPS:
        rows = selectors.in_group(selectors.with_state(selectors.owned(alice.pk)), group)
        assert rows.count() == counts[group]
    assert selectors.attention_count(alice.pk) == 4 and selectors.attention_count(bob.pk) == 0


def test_a_session_is_named_by_id_name_or_type_and_name(alice: User) -> None:
    session = make(alice, "work_claude")
    for ref in (str(session.pk), session.pk.hex, "work_claude", "api_key:work_claude", " work_claude ", "Work_Claude"):
        assert selectors.find(alice.pk, None, ref).pk == session.pk
    assert selectors.find(alice.pk, "anthropic", "work_claude", "api_key").pk == session.pk
    for provider, ref, auth_type in (
        ("openai", "work_claude", None),
        (None, "oauth:work_claude", None),
        (None, "api_key:work_claude", "none"),
        (None, "nobody:work_claude", None),
        ("openai", str(session.pk), None),
    ):
        with pytest.raises(errors.UnknownSession):
            selectors.find(alice.pk, provider, ref, auth_type)


def test_an_unknown_name_lists_the_owners_own_candidates_and_nobody_elses(alice: User, bob: User) -> None:
    make(alice, "hers")
    make(bob, "his_own")
    with pytest.raises(errors.UnknownSession) as found:
        selectors.find(alice.pk, None, "his_own")
    assert "hers" in found.value.hint and "his_own" not in found.value.hint
    with pytest.raises(errors.UnknownSession) as found:
        selectors.find(alice.pk, "openai", "hers")
    assert "sessions create" in found.value.hint


def test_an_ambiguous_name_lists_the_owners_own_candidates(alice: User, bob: User) -> None:
    make(alice, "main_key")
    make(alice, "main_key", provider="openai", secret=Secret("sk-" + "k" * 40))
    make(bob, "main_key")
    with pytest.raises(errors.AmbiguousSession) as found:
        selectors.find(alice.pk, None, "main_key")
    assert "anthropic/api_key:main_key" in found.value.message and "openai/api_key:main_key" in found.value.message
    assert selectors.find(alice.pk, "openai", "main_key").provider == "openai"
    with pytest.raises(errors.AmbiguousSession) as found:
        selectors.find(SYSTEM, "anthropic", "main_key")
    assert "id" in found.value.hint


def test_long_lists_of_candidates_are_cut(alice: User) -> None:
    for number in range(10):
        make(alice, f"session_{number}")
    with pytest.raises(errors.UnknownSession) as found:
        selectors.find(alice.pk, None, "missing")
    assert found.value.hint.count("anthropic/") == selectors.CANDIDATES_SHOWN and "more" in found.value.hint


def test_a_foreign_session_does_not_exist(alice: User, bob: User) -> None:
    session = make(bob)
    for key in (session.pk, "nonsense"):
        with pytest.raises(errors.UnknownSession):
            selectors.get(alice.pk, key)
    with pytest.raises(errors.UnknownSession):
        selectors.find(alice.pk, None, str(session.pk))
    assert selectors.find(SYSTEM, None, str(session.pk)).pk == session.pk


def test_search_and_filters_stay_with_the_owner(alice: User, bob: User) -> None:
    make(alice, "work_claude")
    make(alice, "work_gpt", provider="openai", secret=Secret("sk-" + "k" * 40))
    make(bob, "work_other")
    assert {row.name for row in selectors.filtered(alice.pk, query="work")} == {"work_claude", "work_gpt"}
    assert [row.name for row in selectors.filtered(alice.pk, provider="openai")] == ["work_gpt"]
    assert not selectors.filtered(alice.pk, auth_type="oauth")
    assert selectors.providers_in_use(alice.pk) == ["anthropic", "openai"]


def test_the_sole_owner_is_the_only_active_user(alice: User) -> None:
    assert selectors.sole_owner() == alice.pk
    bob = User.objects.create_user("bob")
    assert selectors.sole_owner() is None
    bob.is_active = False
    bob.save()
    assert selectors.sole_owner() == alice.pk


def test_the_page_of_a_session(alice: User, settings: Any) -> None:
    """It is spelled out in the code, and must be the page that there is."""
    session = make(alice, "work_claude")
    path = reverse("sessions:detail", args=[session.pk])
    assert selectors.page_of(session.pk) == path
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"public_url": "https://maestro.example/"})
    assert selectors.page_of(session.pk) == as_session(session).page == f"https://maestro.example{path}"
