"""What a database that is away for a moment does to the schedule."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from sessions_app.errors import StoreUnavailable
from sessions_app.services import refresh
from sessions_app.stores.refreshes import DjangoRefreshStore
from tests.unit.sessions.refresh.support import make_login
from tests.unit.sessions.support import fresh

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_a_database_that_is_away_does_not_put_a_session_off(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_login(alice)

    async def away(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("The database did not answer.")

    monkeypatch.setattr(DjangoRefreshStore, "claim", away)
    [report] = refresh.refresh_due()
    assert (report.done, report.code) == ("failed", "store_unavailable")
    due = fresh(session).next_refresh_at
    assert due is not None and due.timestamp() < time.time(), "it says nothing of the session"
