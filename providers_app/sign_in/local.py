"""Looks for model servers on this machine, at the addresses that the options of providers name for them.

Only when a person asks, at fixed ports, by one small request each. The client that asks reaches these places and
nothing else, follows no redirect and sends no key.
"""

import asyncio
import importlib
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

import msgspec

from providers_app import conf, errors
from providers_app.dispatch.faults import faults_of
from providers_app.loop import on_provider_loop
from providers_app.registry.discovery import list_providers
from providers_app.registry.resolver import resolve
from providers_app.types.credentials import Credential, Secret
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard, literal_address, pair_of

IN_CONTAINERS = "host.docker.internal"
"""The name of the machine in containers of Docker Desktop and Podman."""
CONNECT_S = 1.0
ANSWER_S = 5.0
MAX_BODY = 1024 * 1024


class LocalPlace(msgspec.Struct, frozen=True):
    """An address where a kind of server usually listens: the ``choice`` of a provider's ``option`` names it."""

    provider: str
    option: str
    choice: str
    label: str
    base_url: str
    pair: str

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.pair.rpartition(":")[2])


class LocalServer(msgspec.Struct, frozen=True):
    """A server that answered: how many models it has, ``None`` where it asks for a key first."""

    place: LocalPlace
    models: int | None

    @property
    def needs_key(self) -> bool:
        """The server answers, but not without a key."""
        return self.models is None


def places() -> tuple[LocalPlace, ...]:
    """Return the places that are looked at, those of loopback first."""
    found: list[LocalPlace] = []
    for card in list_providers():
        for field in card.settings if "none" in card.auth_types else ():
            labels = field.choice_labels or field.choices
            for choice, label, url in zip(field.choices, labels, field.addresses or ("",) * len(labels), strict=True):
                parts = urlsplit(url)
                literal = literal_address(parts.hostname or "")
                if isinstance(literal, ipaddress.IPv4Address) and literal.is_loopback and parts.port:
                    pair = pair_of(str(literal), parts.port)
                    found.append(LocalPlace(card.slug, field.name, choice, label, url, pair))
    inside = [
        msgspec.structs.replace(
            place,
            base_url=place.base_url.replace(urlsplit(place.base_url).netloc, f"{IN_CONTAINERS}:{place.port}", 1),
            pair=pair_of(IN_CONTAINERS, place.port),
        )
        for place in found
    ]
    return (*found, *inside)


@on_provider_loop
async def find(skip: Collection[str] = ()) -> tuple[LocalServer, ...]:
    """Ask every place at once, and return the servers that answered within ``ANSWER_S`` seconds, one of each kind.

    ``skip`` are ``host:port`` pairs that are not asked, such as our own.
    """
    # Loaded with the first request of a process, it would use up the seconds of all of them.
    await asyncio.to_thread(importlib.import_module, "providers_app.wire.engine")
    asked = [place for place in places() if place.pair not in skip]
    http = Http(
        guard=Guard(place.pair for place in asked),
        limits=HttpLimits(connect_s=CONNECT_S, idle_s=ANSWER_S, request_s=ANSWER_S, max_body=MAX_BODY),
        user_agent=conf.user_agent(),
    )
    try:
        found = await asyncio.gather(*(_ask(place, http) for place in asked))
    finally:
        await http.aclose()
    kinds: dict[tuple[str, str], LocalServer] = {}
    for server in found:
        if server is not None:
            kinds.setdefault((server.place.provider, server.place.choice), server)
    return tuple(kinds.values())


async def _ask(place: LocalPlace, http: Http) -> LocalServer | None:
    credential = Credential(
        auth_type="none", secret=Secret(""), base_url=place.base_url, settings={place.option: place.choice}
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            with faults_of(place.provider):
                account = await resolve(place.provider, "api_key").test(credential, http)
    except errors.AuthenticationFailed:
        return LocalServer(place, None)
    except (errors.ProviderError, TimeoutError):
        return None
    return LocalServer(place, account.models or 0)
