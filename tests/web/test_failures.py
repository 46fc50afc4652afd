"""A database that does not answer is a 503 that says so, not somebody's bug."""

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from maestro_site import home
from sessions_app import disk


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


@pytest.mark.django_db
@pytest.mark.parametrize("free", [0, 10**9])
def test_a_full_disk_is_called_so(admin_client: Client, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    def broken(owner_id: Any) -> Any:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(home.selectors, "counts", broken)
    monkeypatch.setattr(disk, "free_bytes", lambda: free)
    admin_client.raise_request_exception = False
    answer = admin_client.get("/")
    assert answer.status_code == 503
    assert ("The disk is full" in answer.content.decode()) is (free == 0)
