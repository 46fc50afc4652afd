"""The HTTP client of the provider loop, made from the settings that hold."""

from providers_app import conf, loop
from providers_app.registry import registry
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard


class _Holder:
    """Keeps one client, and makes another one when other settings were injected."""

    def __init__(self) -> None:
        self._settings: conf.ProvidersConfig | None = None
        self._http: Http | None = None

    def get(self) -> Http:
        settings = conf.current()
        if self._http is None or self._settings is not settings:
            if self._http is not None:
                loop.spawn(self._http.aclose(), name="close-http")
            self._http = make(settings)
            self._settings = settings
        return self._http

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()


def http() -> Http:
    """The client of this process. Call it on the provider loop."""
    return loop.local("http", _Holder, _Holder.aclose).get()


def make(settings: conf.ProvidersConfig) -> Http:
    """A client of its own from settings; the caller closes it."""
    return Http(
        guard=Guard(settings.allowed_private_hosts),
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
