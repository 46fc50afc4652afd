"""Sends finished requests of any provider through the gateway: address, headers, token.

```
request of a provider ─▶ path into the template below the base URL
                      ─▶ its own credential kept, or taken out
                      ─▶ static and templated headers
                      ─▶ the gateway's token (kept until its margin, asked for once by all who wait)
```
Local providers (``demo://``) are answered in this process and never go there.
"""

import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

import msgspec

from providers_app import people
from providers_app.behaviours.credentials import CredentialProvider
from providers_app.behaviours.http import HttpRequest
from providers_app.errors import AuthenticationFailed, NotConfigured
from providers_app.genai_platform import headers
from providers_app.genai_platform.config import GenAIPlatformConfig
from providers_app.genai_platform.tokens import gateways_matter, source_of
from providers_app.ports import Owner
from providers_app.types.credentials import Credential
from providers_app.wire.client import Http
from providers_app.wire.guard import DEFAULT_PORTS
from providers_app.wire.mask import MASKED

WEB = ("http", "https")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf and for what a request is made, as the gateway may want to know it."""

    provider: str
    owner: Owner | None = None
    project: str = ""


def caller_of(provider: str, owner: Owner | None, credential: Credential) -> Caller:
    """The caller that signs with ``credential``; a session may name a project of its own."""
    return Caller(provider=provider, owner=owner, project=credential.settings.get("project", ""))


class Platform:
    """The gateway of this process, with its token. It belongs to the provider loop."""

    def __init__(self, config: GenAIPlatformConfig, http: Http) -> None:
        """``http`` is a client of its own, whose guard knows the hosts of ``hosts_of(config)``."""
        self.config = config
        self.http = http
        self._source: CredentialProvider | None = None
        self._used: Credential | None = None

    def covers(self, provider: str) -> bool:
        """Do this provider's requests go through the gateway?"""
        return self.config.enabled and (not self.config.providers or provider in self.config.providers)

    async def route(self, caller: Caller, request: HttpRequest) -> HttpRequest:
        """The request as the gateway gets it.

        Raises ``NotConfigured`` when it is refused a token, ``UpstreamError`` when none could be asked for.
        """
        return await self._routed(caller, request, self._token)

    async def preview(self, caller: Caller, request: HttpRequest) -> HttpRequest:
        """The same without asking for a token: a mark stands in its place."""

        async def mark() -> str:
            return MASKED

        return await self._routed(caller, request, mark)

    async def _routed(self, caller: Caller, request: HttpRequest, token: Callable[[], Awaitable[str]]) -> HttpRequest:
        if urlsplit(request.url).scheme not in WEB:
            return request
        values = await self._values(caller)
        routed = msgspec.structs.replace(request, url=self._address(request.url, caller, values["project"]))
        if self.config.provider_credential == "remove":
            kept = {name: text for name, text in request.headers.items() if name.lower() not in request.secret_headers}
            routed = msgspec.structs.replace(routed, headers=kept, secret_headers=frozenset())
        filled = {name: headers.filled(text, values) for name, text in self.config.headers.items()}
        routed = _with(routed, {name: text for name, text in filled.items() if text}, secret=False)
        hidden = {name: value.get_secret_value() for name, value in self.config.secret_headers.items()}
        if self.config.token_source != "none":  # noqa: S105
            hidden[self.config.token_header] = f"{self.config.token_scheme} {await token()}".strip()
        return _with(routed, hidden, secret=True)

    async def renew(self, error: AuthenticationFailed) -> bool:
        """After a refusal: another token, if the gateway's is one that can be made anew; ``False`` where there is none.

        Raises as ``route``.
        """
        if self._source is None or self._used is None or self.config.token_source == "static":  # noqa: S105
            return False
        with gateways_matter():
            await self._source.renewed(self._used, error, self.http)
        return True

    def blame(self, error: AuthenticationFailed) -> None:
        """Raises ``NotConfigured`` where the session's own credential was not sent, so that it cannot be to blame."""
        if self.config.provider_credential == "remove":
            hint = "Check the token and the headers under MAESTRO_GENAI_PLATFORM__."
            raise NotConfigured(f"The gateway refused its own credential: {error.message}", hint=hint) from None

    def _address(self, url: str, caller: Caller, project: str) -> str:
        parts = urlsplit(url)
        path = self.config.path_template
        for name, value in {"provider": caller.provider, "project": quote(project, safe="")}.items():
            path = path.replace(f"{{{name}}}", value)
        path = path.replace("{path}", parts.path or "/")
        whole = self.config.base_url.rstrip("/") + "/" + path.lstrip("/")
        return f"{whole}?{parts.query}" if parts.query else whole

    async def _values(self, caller: Caller) -> dict[str, str]:
        named = set().union(*(headers.variables_in(text) for text in self.config.headers.values()))
        return {
            "user.id": str(caller.owner) if isinstance(caller.owner, int | str) else "",
            "user.email": await people.email_of(caller.owner) if "user.email" in named else "",
            "project": caller.project or self.config.project,
            "request.id": uuid.uuid4().hex,
        }

    async def _token(self) -> str:
        with gateways_matter():
            if self._source is None:
                self._source = source_of(self.config)
            assert self._source is not None, "a gateway without a token is asked for none"
            self._used = await self._source.credential(self.http)
        return self._used.secret.reveal()


def hosts_of(config: GenAIPlatformConfig) -> tuple[str, ...]:
    """``host:port`` of the gateway and its token endpoint: the operator's own, wherever they stand."""
    found = []
    for address in filter(None, (config.base_url, config.token_url)):
        parts = urlsplit(address)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        found.append(f"{host}:{parts.port or DEFAULT_PORTS[parts.scheme.lower()]}")
    return tuple(found)


def _with(request: HttpRequest, added: dict[str, str], *, secret: bool) -> HttpRequest:
    """The request with these headers instead of its own of the same names, whatever their case."""
    names = {name.lower() for name in added}
    kept = {name: value for name, value in request.headers.items() if name.lower() not in names}
    hidden = request.secret_headers - names
    return msgspec.structs.replace(request, headers=kept, secret_headers=hidden).with_headers(added, secret=secret)
