"""The address of a client behind proxies: what the client wrote itself is not believed."""

from typing import Any

import pytest
from django.test import RequestFactory

from maestro_site.accounts import client_address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, "203.0.113.7", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        (2, "6.6.6.6, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.1"),
        (1, "6.6.6.6, ", "10.0.0.1"),
        (1, "unknown", "10.0.0.1"),
        (1, " 2001:DB8::1 ", "2001:db8::1"),
    ],
)
def test_only_what_trusted_proxies_added_counts(
    settings: Any, rf: RequestFactory, proxies: int, forwarded: str | None, found: str
) -> None:
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"trusted_proxies": proxies})
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert client_address.of(rf.get("/login/", headers=headers, REMOTE_ADDR="10.0.0.1")) == found
