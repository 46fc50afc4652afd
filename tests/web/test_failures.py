"""A database that does not answer is a 503 that says so, not somebody's bug."""

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from maestro_site import home


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"), [(OperationalError("database is locked"), 503), (InterfaceError("x"), 503), (KeyError(1), 500)]
)
def test_a_locked_database_is_not_a_bug(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def broken(owner_id: Any) -> Any:
        raise error

    monkeypatch.setattr(home.selectors, "counts", broken)
    admin_client.raise_request_exception = False
    answer = admin_client.get("/")
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("5" if status == 503 else None)
    assert "locked" not in answer.content.decode()
