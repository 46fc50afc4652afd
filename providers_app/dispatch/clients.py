"""The HTTP client of the provider loop, and the gateway that a session's requests may pass.

``http`` goes straight to an address (sign-ins, token endpoints), ``http_for`` by the enterprise gateway in front of a
provider, where there is one.
"""

from functools import partial
from typing import TYPE_CHECKING

from providers_app import conf, loop, ports
from providers_app.genai_platform.endpoint import Platform, caller_of, hosts_of
from providers_app.ports import Owner
from providers_app.registry.discovery import registry
from providers_app.types.credentials import Credential, Secret
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard
from providers_app.wire.proxy import Proxy

if TYPE_CHECKING:
    from providers_app.registry.settings import ProvidersConfig


class _Clients:
    """The client and the gateway of one loop, for the settings in force; others are made when these change."""

    def __init__(self) -> None:
        self.settings = conf.current()
        self.config = conf.platform()
        self.http = make(self.settings)
        self.platform: Platform | None = None
        if self.config is not None and self.config.enabled:
            self.platform = Platform(self.config, make(self.settings, hosts_of(self.config)))

    async def aclose(self) -> None:
        await self.http.aclose()
        if self.platform is not None:
            await self.platform.http.aclose()


async def _close(kept: list[_Clients]) -> None:
    for found in kept:
        await found.aclose()


def _current() -> _Clients:
    kept: list[_Clients] = loop.local("http", list, _close)
    found = kept[0] if kept else None
    if found is None or found.settings is not conf.current() or found.config is not conf.platform():
        if found is not None:
            loop.spawn(found.aclose(), name="close-http")
        found = _Clients()
        kept[:] = [found]
    return found


def http() -> Http:
    """Return the client of this process. Call it on the provider loop."""
    return _current().http


def ways_to(provider: str) -> tuple[Http, Platform | None]:
    """Return the client of this process, and the gateway in front of a provider, if any. Call it on the loop."""
    here = _current()
    return here.http, here.platform if here.platform is not None and here.platform.covers(provider) else None


def platform_of(provider: str) -> Platform | None:
    """Return the gateway in front of this provider, if there is one. Call it on the provider loop."""
    return ways_to(provider)[1]


def http_for(provider: str, owner: Owner | None, credential: Credential) -> Http:
    """Return the client for requests with this credential on the owner's behalf. Call it on the provider loop."""
    platform = platform_of(provider)
    if platform is None:
        return http()
    return platform.http.through(partial(platform.route, caller_of(provider, owner, credential)))


def _proxy(settings: "ProvidersConfig") -> Proxy | None:
    address = Secret(settings.proxy.get_secret_value())
    return Proxy(address, settings.no_proxy, conf.user_agent()) if address else None


def make(settings: "ProvidersConfig", also_allowed: tuple[str, ...] = ()) -> Http:
    """Make a client from settings; the caller closes it. ``also_allowed`` are private hosts that it may reach."""
    return Http(
        guard=Guard((*settings.allowed_private_hosts, *also_allowed), ports.allowed_pairs),
        limits=HttpLimits(
            connect_s=settings.connect_timeout_s,
            idle_s=settings.idle_timeout_s,
            request_s=settings.request_timeout_s,
            max_body=settings.max_answer_bytes,
        ),
        user_agent=conf.user_agent(),
        local=registry.local_responder,
        ca_file=settings.ca_file,
        proxy=_proxy(settings),
    )
