"""Sends finished requests of any provider through the gateway: address, headers, token.

The path goes into the template below the base URL, the request's own credential is kept or taken out, then headers and
the gateway's token (kept until its margin, asked for once by all who wait) are added. Local providers (``demo://``) are
answered in this process and never go there.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator, Set
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from providers_app import errors, ownership
from providers_app.behaviours.credentials import CredentialProvider
from providers_app.errors import AuthenticationFailed, NotConfigured, PermissionDenied
from providers_app.genai_platform import headers
from providers_app.ports import Owner
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.answer import MASKED
from providers_app.wire.client import Http
from providers_app.wire.guard import DEFAULT_PORTS, climbs

if TYPE_CHECKING:
    from providers_app.genai_platform.config import GenAIPlatformConfig

WEB = ("http", "https")
YOUNG_S = 30.0
"""Seconds for which a new token of the gateway is beyond doubt."""

# What a token endpoint says to a client that it does not know, and what our own reading of the settings finds.
_REFUSALS = (
    *(AuthenticationFailed, PermissionDenied, errors.BadRequest, errors.NotFound, errors.BadAnswer),
    *(errors.InvalidCredential, errors.InvalidRequest, errors.LoginError),
)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The person and purpose of a request, for the gateway's headers."""

    provider: str
    owner: Owner | None = None
    project: str = ""


def caller_of(provider: str, owner: Owner | None, credential: Credential) -> Caller:
    """Return the caller that signs with ``credential``; a session may name a project of its own."""
    return Caller(provider=provider, owner=owner, project=credential.settings.get("project", ""))


class Passage(msgspec.Struct):
    """The credentials that the last request of a call was sent with: the gateway's token, the session's own or not."""

    token: Credential | None = None
    carried: bool = True

    def blame(self, error: AuthenticationFailed | PermissionDenied) -> None:
        """Raise ``NotConfigured`` where the session's credential was not sent, so that it cannot be at fault."""
        if not self.carried:
            hint = "Check the token and the headers under MAESTRO_GENAI_PLATFORM__."
            raise NotConfigured(f"The gateway refused its own credential: {error.message}", hint=hint) from None


_passage: ContextVar[Passage | None] = ContextVar("maestro_passage", default=None)


@contextmanager
def watched(passage: Passage) -> Iterator[None]:
    """Note in ``passage`` the credentials of requests inside the block."""
    token = _passage.set(passage)
    try:
        yield
    finally:
        _passage.reset(token)


def carries(config: "GenAIPlatformConfig", request: HttpRequest) -> bool:
    """Say whether a signed request keeps its own credential, or the gateway has none that could be refused instead."""
    if config.provider_credential == "remove":
        return False
    token = (config.token_header,) if config.token_source != "none" else ()  # noqa: S105
    own = {name.lower() for name in (*config.headers, *config.secret_headers, *token)}
    return bool(request.secret_headers - own) or not (request.secret_headers or token or config.secret_headers)


class Platform:
    """The gateway of this process, with its token. It belongs to the provider loop."""

    def __init__(self, config: "GenAIPlatformConfig", http: Http) -> None:
        """``http`` is a client of its own, whose guard knows the hosts of ``hosts_of(config)``."""
        self.config, self.http = config, http
        self._source: CredentialProvider | None = None
        self._making = asyncio.Lock()
        self._unusable: errors.InvalidCredential | None = None
        self._used: Credential | None = None
        self._since = 0.0

    def covers(self, provider: str) -> bool:
        """Say whether this provider's requests go through the gateway."""
        return self.config.enabled and (not self.config.providers or provider in self.config.providers)

    async def route(self, caller: Caller, request: HttpRequest, *, masked: bool = False) -> HttpRequest:
        """Return the request as it is sent to the gateway; ``masked``: with a mark instead of a token, and asking none.

        Raises ``NotConfigured`` when it is refused a token, ``UpstreamError`` when none could be asked for.
        """
        if urlsplit(request.url).scheme not in WEB:
            return request
        values = await self._values(caller)
        routed = msgspec.structs.replace(request, url=self._address(request.url, caller, values["project"]))
        if self.config.provider_credential == "remove":
            routed = _without(routed, request.secret_headers)
        filled = {name: headers.filled(text, values) for name, text in self.config.headers.items()}
        routed = _with(routed, {name: text for name, text in filled.items() if text}, secret=False)
        hidden = {name: value.get_secret_value() for name, value in self.config.secret_headers.items()}
        if self.config.token_source != "none":  # noqa: S105
            token = MASKED if masked else await self._token()
            hidden[self.config.token_header] = f"{self.config.token_scheme} {token}".strip()
        routed = _with(routed, hidden, secret=True)
        if (passage := _passage.get()) is not None:
            passage.carried = carries(self.config, request)
        return routed

    async def renew(self, error: AuthenticationFailed, passage: Passage) -> bool:
        """Say whether there is another token than the refused one; a new one is made where that may help.

        A token that was made a moment ago is not at fault: a wrong key of one person must not use up
        the tokens of all. Raises as ``route``.
        """
        sent = passage.token
        if self._source is None or sent is None or self.config.token_source == "static":  # noqa: S105
            return False
        if self._used is not None and self._used.secret != sent.secret:
            return True  # another call has renewed it meanwhile
        if time.monotonic() - self._since < YOUNG_S:
            return False
        with _gateways_matter():
            self._use(await self._source.renewed(sent, error, self.http))
        return True

    def _address(self, url: str, caller: Caller, project: str) -> str:
        parts = urlsplit(url)
        if climbs(parts.path):
            raise errors.AddressRefused("The address climbs out of its path (..), which is not sent to the gateway.")
        named = self.config.path_template.replace("{provider}", caller.provider)
        path = named.replace("{project}", quote(project, safe="")).replace("{path}", parts.path or "/")
        whole = self.config.base_url.rstrip("/") + "/" + path.lstrip("/")
        return f"{whole}?{parts.query}" if parts.query else whole

    async def _values(self, caller: Caller) -> dict[str, str]:
        email_wanted = any("{user.email}" in text for text in self.config.headers.values())
        return {
            "user.id": str(caller.owner) if isinstance(caller.owner, int | str) else "",
            "user.email": await ownership.email_of(caller.owner) if email_wanted else "",
            "project": (caller.project if self.config.session_project else "") or self.config.project,
            "request.id": uuid.uuid4().hex,
        }

    async def _token(self) -> str:
        with _gateways_matter():
            if self._unusable is not None:
                raise self._unusable
            async with self._making:
                if self._source is None:
                    try:
                        self._source = await asyncio.to_thread(_source, self.config)
                    except errors.InvalidCredential as error:
                        self._unusable = error
                        raise
            assert self._source is not None, "a gateway without a token is asked for none"
            self._use(found := await self._source.credential(self.http))
        if (passage := _passage.get()) is not None:
            passage.token = found
        return found.secret.reveal()

    def _use(self, found: Credential) -> None:
        if self._used is None or self._used.secret != found.secret:
            self._used, self._since = found, time.monotonic()


def _source(config: "GenAIPlatformConfig") -> CredentialProvider | None:
    """Return the token's source; off the loop, as reading a private key and loading its libraries take 40 ms each."""
    from providers_app.genai_platform import tokens

    return tokens.source_of(config)


def hosts_of(config: "GenAIPlatformConfig") -> tuple[str, ...]:
    """Return ``host:port`` of the gateway and its token endpoint, which may be on private networks."""
    found = []
    for address in filter(None, (config.base_url, config.token_url)):
        parts = urlsplit(address)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        found.append(f"{host}:{parts.port or DEFAULT_PORTS[parts.scheme]}")
    return tuple(found)


def _with(request: HttpRequest, added: dict[str, str], *, secret: bool) -> HttpRequest:
    """Return the request with these headers instead of its own of the same names, in any case."""
    return _without(request, {name.lower() for name in added}).with_headers(added, secret=secret)


def _without(request: HttpRequest, names: Set[str]) -> HttpRequest:
    kept = {name: value for name, value in request.headers.items() if name.lower() not in names}
    return msgspec.structs.replace(request, headers=kept, secret_headers=request.secret_headers - names)


@contextmanager
def _gateways_matter() -> Iterator[None]:
    """Turn a refusal of the gateway's token inside the block into ``NotConfigured``: it is not the session's."""
    try:
        yield
    except _REFUSALS as error:
        hint = "Check MAESTRO_GENAI_PLATFORM__TOKEN_SOURCE and the settings that it needs."
        raise NotConfigured(f"The gateway's token could not be had: {error.message}", hint=hint) from None
