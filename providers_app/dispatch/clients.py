"""What sends requests: the HTTP client of the provider loop, and for each session the way its requests take.

``http`` goes straight to the address of a request (sign-ins, token endpoints). ``http_for`` is what a session's
requests go through: straight as well, or by the enterprise gateway where one stands in front of its provider.
"""

from functools import partial
from typing import TYPE_CHECKING

from providers_app import conf, loop
from providers_app.genai_platform.endpoint import Platform, caller_of, hosts_of
from providers_app.ports import Owner
from providers_app.registry.discovery import registry
from providers_app.types.credentials import Credential
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard

if TYPE_CHECKING:
    from providers_app.genai_platform.config import GenAIPlatformConfig


class _Holder:
    """Keeps one client and one gateway, and makes others when other settings were injected."""

    def __init__(self) -> None:
        self._settings: conf.CommonSettings | None = None
        self._http: Http | None = None
        self._behind: tuple[conf.CommonSettings, GenAIPlatformConfig | None] | None = None
        self._platform: Platform | None = None

    def get(self) -> Http:
        settings = conf.current()
        if self._http is None or self._settings is not settings:
            if self._http is not None:
                loop.spawn(self._http.aclose(), name="close-http")
            self._http = make(settings)
            self._settings = settings
        return self._http

    def platform(self) -> Platform | None:
        """The gateway, where one is enabled."""
        settings, config = conf.current(), conf.platform()
        if self._behind is None or self._behind[0] is not settings or self._behind[1] is not config:
            if self._platform is not None:
                loop.spawn(self._platform.http.aclose(), name="close-http")
            made = make(settings, hosts_of(config)) if config is not None and config.enabled else None
            self._platform = Platform(config, made) if made is not None else None
            self._behind = (settings, config)
        return self._platform

    async def aclose(self) -> None:
        for client in (self._http, self._platform.http if self._platform is not None else None):
            if client is not None:
                await client.aclose()


def http() -> Http:
    """The client of this process. Call it on the provider loop."""
    return _holder().get()


def platform_of(provider: str) -> Platform | None:
    """The gateway in front of this provider, if there is one. Call it on the provider loop."""
    platform = _holder().platform()
    return platform if platform is not None and platform.covers(provider) else None


def http_for(provider: str, owner: Owner | None, credential: Credential) -> Http:
    """The client for requests with this credential on the owner's behalf. Call it on the provider loop."""
    platform = platform_of(provider)
    if platform is None:
        return http()
    return platform.http.through(partial(platform.route, caller_of(provider, owner, credential)))


def make(settings: conf.CommonSettings, also_allowed: tuple[str, ...] = ()) -> Http:
    """A client of its own from settings; the caller closes it. ``also_allowed`` are private hosts that it may reach."""
    return Http(
        guard=Guard((*settings.allowed_private_hosts, *also_allowed)),
        limits=HttpLimits(
            connect_s=settings.connect_timeout_s,
            idle_s=settings.idle_timeout_s,
            request_s=settings.request_timeout_s,
            max_body=settings.max_answer_bytes,
        ),
        user_agent=conf.user_agent(),
        local=registry.local_responder,
        ca_file=settings.ca_file,
    )


def _holder() -> _Holder:
    return loop.local("http", _Holder, _Holder.aclose)
