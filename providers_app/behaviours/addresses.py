"""Requests of a provider: to the session's own base URL, else the configured one."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import msgspec

from providers_app import conf, ports
from providers_app.errors import InvalidRequest
from providers_app.types.catalogue import ProviderInfo
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire.guard import check_url

JSON = "application/json"


def address(slug: str, credential: Credential, path: str) -> str:
    """Return the URL of ``path`` (with a leading slash) below the base URL. Raises ``InvalidRequest`` without one.

    A base URL that already ends with the path's first segment (``.../v1`` and ``/v1/messages``) is not given it twice.
    """
    base = (credential.base_url or getattr(conf.provider(slug), "base_url", "") or "").rstrip("/")
    if not base:
        raise InvalidRequest(f"The provider {slug!r} has no address.", hint="Set the session's base URL.")
    first = "/" + path.lstrip("/").split("/", 1)[0]
    return base + (path.removeprefix(first) if base.endswith(first) and path.startswith(first + "/") else path)


async def permitted_url(url: str) -> str:
    """Return a base URL, checked by ``check_url``, by the policy in force."""
    return check_url(url, conf.current().allowed_private_hosts, await ports.allowed_pairs())


def required(card: ProviderInfo) -> bool:
    """Say whether each session needs an address of its own: not where the operator configured one for all."""
    return card.base_url_required and not getattr(conf.provider(card.slug), "base_url", "")


def segment(name: str) -> str:
    """Return ``name`` escaped as one segment of a path. Raises ``InvalidRequest`` for ``.``, ``..`` and no name."""
    if name in ("", ".", ".."):
        raise InvalidRequest(f"{name!r} is not the name of a model.")
    return quote(name, safe="")


def setting(slug: str, credential: Credential, name: str) -> Any:
    """Return an option of the session, else of the provider's configuration (``None`` where it has no such field)."""
    return credential.settings.get(name) or getattr(conf.provider(slug), name, None)


def post(
    url: str, body: bytes, *, streamed: bool = False, headers: Mapping[str, str] = MappingProxyType({})
) -> HttpRequest:
    """Return a JSON request without its credential; ``streamed`` asks for server-sent events."""
    accept = "text/event-stream" if streamed else JSON
    return HttpRequest(method="POST", url=url, headers={"content-type": JSON, "accept": accept, **headers}, body=body)


def get(url: str, headers: Mapping[str, str] = MappingProxyType({})) -> HttpRequest:
    """Return a request for data without its credential."""
    return HttpRequest(method="GET", url=url, headers={"accept": JSON, **headers})


class ChatEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The ``streaming`` behaviour of a provider that answers every chat in one format.

    ``request`` addresses a body, ``prepared`` changes the chat before its body is built.
    """

    dialect: Dialect
    request: Callable[[ChatRequest, Credential, bytes], HttpRequest]
    prepared: Callable[[ChatRequest, Credential], ChatRequest] = lambda chat, credential: chat

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Return the request without its credential."""
        return self.request(chat, credential, self.dialect.build_body(self.prepared(chat, credential)))
