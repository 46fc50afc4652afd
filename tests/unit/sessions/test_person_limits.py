"""Limits a minute of one person: read with their sessions and aliases, and by no query of their own."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from providers_app import loop
from providers_app.types.session_limits import NO_OWN_LIMITS, PersonLimits
from sessions_app.models import PersonLimit
from sessions_app.services import aliases
from sessions_app.stores import sessions
from sessions_app.stores.aliases import DjangoAliasStore
from sessions_app.stores.sessions import DjangoSessionStore
from tests.unit.sessions.support import make, settle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]
OWN = PersonLimits(requests_per_minute=5, tokens_per_minute=None)


@pytest.fixture(autouse=True)
def closed_pool() -> Any:
    yield
    settle()


def own(owner: User) -> PersonLimits:
    return loop.run(DjangoSessionStore().lookup(owner.pk, None, "my_key"), 60)[0].own


def test_a_session_knows_the_limits_of_its_owner_as_they_are_now(alice: User, bob: User) -> None:
    make(alice)
    make(bob)
    assert own(alice) is own(bob) is NO_OWN_LIMITS
    row = PersonLimit.objects.create(owner=alice, requests_per_minute=5)
    assert own(alice) == OWN and own(bob) is NO_OWN_LIMITS
    row.requests_per_minute, row.tokens_per_minute = None, 0
    row.save()
    assert own(alice) == PersonLimits(requests_per_minute=None, tokens_per_minute=0)
    row.delete()
    assert own(alice) is NO_OWN_LIMITS


def test_they_cost_no_query(alice: User, django_assert_num_queries: Any) -> None:
    make(alice)
    PersonLimit.objects.create(owner=alice, requests_per_minute=5)
    with django_assert_num_queries(1):
        assert sessions._lookup(alice.pk, None, "my_key", None)[0].own == OWN


def test_the_routes_of_an_alias_know_them(alice: User) -> None:
    aliases.create(alice.pk, "both", [(make(alice), "m"), (make(alice, "other"), "m")])
    PersonLimit.objects.create(owner=alice, requests_per_minute=5)

    async def found() -> list[PersonLimits]:
        return [session.own for session, _ in (await DjangoAliasStore().find_alias(alice.pk, "both")).routes]

    assert loop.run(found(), 60) == [OWN, OWN]
