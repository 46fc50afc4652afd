"""The outgoing proxy: which hosts go through it, what it is sent, and how its refusals are said."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from maestro_site import conf as site_conf
from maestro_site.environment import ConfigError
from providers_app import conf
from providers_app.dispatch import clients
from providers_app.errors import AddressRefused, ConnectionFailed, UpstreamTimeout
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard
from providers_app.wire.proxy import Proxy
from tests.unit.providers.test_engine_tls import secured, tls
from tests.vendors.proxy import StrictProxy

__all__ = ["secured", "tls"]
USER, PASSWORD = "out", "pa:ss wörd"
TLS = tuple[ssl.SSLContext, str]
Secured = tuple[int, list[Any]]


@pytest.fixture
def proxy(secured: Secured) -> Iterator[StrictProxy]:
    """A proxy that alone knows where ``name.example`` is."""
    with StrictProxy({"name.example:443": ("127.0.0.1", secured[0])}, user=f"{USER}:{PASSWORD}") as running:
        yield running


def address(proxy: StrictProxy, user: str = f"{USER}:pa%3Ass%20w%C3%B6rd@") -> Secret:
    return Secret(proxy.url.replace("://", f"://{user}"))


async def nobody(host: str, port: int) -> list[str]:
    """Names are the proxy's business, except for its own."""
    assert host == "127.0.0.1", host
    return [host]


@contextmanager
def client(made: Proxy, ca_file: str = "", **options: Any) -> Iterator[Http]:
    given: dict[str, Any] = {"guard": Guard(), "resolver": nobody, **options}
    yield Http(limits=HttpLimits(connect_s=20, idle_s=20), proxy=made, ca_file=ca_file, user_agent="Maestro/1", **given)


def get(url: str) -> HttpRequest:
    request = HttpRequest(method="GET", url=url, headers={"accept": "application/json"})
    return request.with_headers({"authorization": "Bearer sk-secret-key"}, secret=True)


async def test_https_goes_through_a_tunnel_and_the_name_is_the_proxys_to_resolve(
    proxy: StrictProxy, secured: Secured, tls: TLS
) -> None:
    with client(Proxy(address(proxy), user_agent="Maestro/1"), tls[1]) as http:
        for _ in range(2):
            assert (await http.send(get("https://name.example/v1/models"))).status == 200
        assert (await http.send(get("https://name.example/v1/models"), fresh=True)).status == 200
        await http.aclose()
    assert secured[1] == ["name.example"] * 2, "TLS is spoken with the server, and a connection is used again"
    assert [entry.line for entry in proxy.asked] == ["CONNECT name.example:443 HTTP/1.1"] * 2
    for entry in proxy.asked:
        assert entry.status == 200 and entry.headers["user-agent"] == "Maestro/1"
        assert not any("sk-secret-key" in value for value in entry.headers.values())


async def test_a_certificate_that_is_not_the_servers_is_refused_inside_the_tunnel(
    proxy: StrictProxy, secured: Secured
) -> None:
    with client(Proxy(address(proxy))) as http:
        with pytest.raises(ConnectionFailed, match="certificate was not accepted") as caught:
            await http.send(get("https://name.example/v1/models"))
        assert caught.value.sent is False
        await http.aclose()


@pytest.mark.parametrize(("user", "told"), [("", "answered 407 (it asks for a user name"), ("out:wrong@", "407")])
async def test_a_proxy_that_asks_for_a_user_is_named(proxy: StrictProxy, tls: TLS, user: str, told: str) -> None:
    with client(Proxy(address(proxy, user)), tls[1]) as http:
        with pytest.raises(ConnectionFailed) as caught:
            await http.send(get("https://name.example/v1/models"))
        await http.aclose()
    error = caught.value
    assert error.message.startswith("name.example could not be reached: the outgoing proxy ") and told in error.message
    assert "MAESTRO_PROVIDERS__PROXY" in error.hint and error.sent is False
    assert "wrong" not in f"{error.message}{error.hint}{error!r}" and "127.0.0.1" not in error.message


async def test_a_proxy_that_refuses_the_host_is_named(proxy: StrictProxy, tls: TLS) -> None:
    with client(Proxy(address(proxy)), tls[1]) as http:
        with pytest.raises(ConnectionFailed, match="the outgoing proxy answered 403"):
            await http.send(get("https://other.example/v1/models"))
        await http.aclose()


async def test_a_proxy_that_is_not_there_is_named(tls: TLS) -> None:
    with client(Proxy(Secret("http://127.0.0.1:9")), tls[1]) as http:
        with pytest.raises(ConnectionFailed, match=r"the outgoing proxy could not be reached .*refused"):
            await http.send(get("https://name.example/v1/models"))
        await http.aclose()


async def test_a_proxy_that_never_answers_is_given_up(tls: TLS) -> None:
    with StrictProxy({}, silent=True) as silent:
        http = Http(guard=Guard(), limits=HttpLimits(connect_s=0.3), proxy=Proxy(address(silent, "")), ca_file=tls[1])
        with pytest.raises((ConnectionFailed, UpstreamTimeout), match=r"No connection|did not answer"):
            await http.send(get("https://name.example/v1/models"))
        await http.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "2130706433", "169.254.169.254", "localhost"])
async def test_private_addresses_do_not_go_through_it_and_stay_refused(proxy: StrictProxy, host: str) -> None:
    async def system(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with client(Proxy(address(proxy)), resolver=system) as http:
        with pytest.raises(AddressRefused):
            await http.send(get(f"https://{host}/v1/models"))
        await http.aclose()
    assert not proxy.asked


async def test_what_is_reached_directly(proxy: StrictProxy, secured: Secured, tls: TLS) -> None:
    async def here(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    url = f"https://name.example:{secured[0]}/"
    with client(Proxy(address(proxy)), tls[1], guard=Guard(["name.example"]), resolver=here) as http:
        assert (await http.send(get(url))).status == 200
        await http.aclose()
    with client(Proxy(address(proxy), ["example"]), tls[1], resolver=here) as http:
        with pytest.raises(AddressRefused):
            await http.send(get(url))
        await http.aclose()
    assert not proxy.asked


async def test_plain_http_never_goes_through_it(proxy: StrictProxy) -> None:
    async def private(name: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    with client(Proxy(address(proxy)), resolver=private) as http:
        with pytest.raises(AddressRefused):
            await http.send(get("http://name.example/v1/models"))
        await http.aclose()
    assert not proxy.asked


@pytest.mark.parametrize(
    ("entries", "host", "through"),
    [
        ((), "api.example", True),
        ((), "8.8.8.8", True),
        (("*",), "api.example", False),
        (("example",), "api.example", False),
        ((".example",), "api.example", False),
        (("*.example",), "api.example", False),
        (("API.Example.",), "api.example", False),
        (("api.example:443",), "api.example", False),
        (("api.example:8443",), "api.example", True),
        (("ample",), "api.example", True),
        (("8.8.0.0/16",), "8.8.8.8", False),
        (("8.8.8.8",), "8.8.8.8", False),
        (("9.9.9.9",), "8.8.8.8", True),
        (("2001:4860::/32",), "[2001:4860:4860::8888]", False),
        ((), "sub.localhost", False),
    ],
)
def test_no_proxy_names_hosts_addresses_and_ranges(entries: tuple[str, ...], host: str, through: bool) -> None:
    assert Proxy(Secret("proxy.example:3128"), entries).covers(host, 443, Guard()) is through


@pytest.mark.parametrize(
    "text",
    ["socks5://u:hunter2@host:1080", "https://u:hunter2@host", "http://u:hunter2@host:99999", "http://", "ftp://h"],
)
def test_what_is_no_http_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match="must be http://host:port") as caught:
        Proxy(Secret(text))
    with pytest.raises(ConfigError, match="HTTPS_PROXY: It cannot be used") as configured:
        site_conf.load({"HTTPS_PROXY": text})
    assert "hunter2" not in str(caught.value) and "hunter2" not in str(configured.value)


def test_the_names_of_other_programs_are_read_and_ours_switches_it_off() -> None:
    foreign = {"HTTPS_PROXY": "http://u:hunter2@proxy.example:3128", "NO_PROXY": "a.example, 10.0.0.0/8"}
    found = site_conf.load(foreign).providers
    assert found.proxy.get_secret_value().endswith("proxy.example:3128")
    assert found.no_proxy == ("a.example", "10.0.0.0/8")
    assert not site_conf.load(foreign | {"MAESTRO_PROVIDERS__PROXY": ""}).providers.proxy.get_secret_value()
    assert not site_conf.load({}).providers.proxy.get_secret_value(), "off by default"
    ours = {"MAESTRO_PROVIDERS__PROXY": "http://ours.example:1"}
    assert "ours" in site_conf.load(foreign | ours).providers.proxy.get_secret_value()


def test_the_settings_make_the_client_and_never_show_the_password() -> None:
    settings = ProvidersConfig(proxy="http://u:hunter2@proxy.example:3128", no_proxy="a.example, b.example")  # type: ignore[arg-type]
    assert settings.no_proxy == ("a.example", "b.example") and "hunter2" not in repr(settings)
    with conf.use(settings):
        made = clients.make(settings)
        proxy = made._network[3]
        assert proxy is not None and proxy.url == "http://proxy.example:3128"
        assert proxy.covers("c.example", 443, Guard()) and not proxy.covers("a.example", 443, Guard())
    assert clients.make(ProvidersConfig())._network[3] is None
