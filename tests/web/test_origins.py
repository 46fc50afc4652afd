"""Which pages may open a socket: the scheme, the host and the port of the page count, and the operator's list."""

from typing import Any

import pytest

from maestro_site.origins import allowed


def scope(origin: str | None, host: str = "maestro.example:8000", scheme: str = "ws", **more: str) -> dict[str, Any]:
    given = {"host": host, **more} | ({} if origin is None else {"origin": origin})
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return {"type": "websocket", "scheme": scheme, "path": "/ws/", "query_string": b"", "headers": headers}


@pytest.fixture(autouse=True)
def site(settings: Any) -> Any:
    settings.ALLOWED_HOSTS = ["maestro.example"]
    return settings


@pytest.mark.parametrize(
    ("origin", "fine"),
    [
        ("http://maestro.example:8000", True),
        ("http://maestro.example:8001", False),
        ("http://maestro.example", False),
        ("https://maestro.example:8000", False),
        ("http://other.maestro.example:8000", False),
        ("http://evil.example:8000", False),
        ("null", False),
        ("", False),
        ("//maestro.example:8000", False),
        (None, False),
    ],
)
def test_a_page_of_another_scheme_host_or_port_gets_no_socket(origin: str | None, fine: bool) -> None:
    assert allowed(scope(origin)) is fine


def test_a_secure_page_is_compared_as_such() -> None:
    assert allowed(scope("https://maestro.example", host="maestro.example", scheme="wss"))
    assert not allowed(scope("http://maestro.example", host="maestro.example", scheme="wss"))


def test_behind_a_tls_proxy_the_scheme_is_the_one_that_it_names(site: Any) -> None:
    told = {"host": "maestro.example", "x_forwarded_proto": "https"}
    assert not allowed(scope("https://maestro.example", **told)), "nobody said that there is a proxy"
    site.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert allowed(scope("https://maestro.example", **told))


def test_a_name_that_is_not_allowed_proves_nothing() -> None:
    assert not allowed(scope("http://rebound.example:8000", host="rebound.example:8000"))


def test_trusted_origins_may_open_sockets(site: Any) -> None:
    site.CSRF_TRUSTED_ORIGINS = ["https://chat.example", "https://*.team.example"]
    for origin in ("https://chat.example", "https://a.team.example"):
        assert allowed(scope(origin))
    for origin in ("http://chat.example", "https://chat.example:444", "https://team.example.evil.example"):
        assert not allowed(scope(origin))
