"""Which models a session can use: asked from its provider, kept for a while, filtered on request."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import get_args

from providers_app import clients, conf, loop
from providers_app.errors import InvalidRequest, UpstreamError
from providers_app.nearest import nearest
from providers_app.ports import Session
from providers_app.resilience import outcome
from providers_app.resolver import resolve
from providers_app.types.catalogue import Capabilities, CapabilityName, ModelInfo
from providers_app.types.credentials import Credential

KEPT = 256
CAPABILITY_NAMES: frozenset[str] = frozenset(get_args(CapabilityName))


class _Entry:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.models: list[ModelInfo] | None = None
        self.until = 0.0


class _Cache:
    """Lists of models by session and by what they were asked with; the least used go first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()

    def entry(self, session: Session, credential: Credential) -> _Entry:
        # Another key or address may see other models, so a hash of both is part of the name.
        key = (session.id, hash((credential.secret, credential.base_url, tuple(sorted(credential.settings.items())))))
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > KEPT:
            self._entries.popitem(last=False)
        return entry


async def list_models(session: Session, credential: Credential, *, refresh: bool = False) -> list[ModelInfo]:
    """The models of a session, by id; asked anew when ``refresh`` is set or the kept list is too old.

    Callers that ask at the same time share one request. Raises ``UpstreamError``.
    """
    entry = loop.local("models", _Cache).entry(session, credential)
    async with entry.lock:
        if entry.models is None or refresh or time.monotonic() >= entry.until:
            try:
                found = await resolve(session.provider, "models").list(credential, clients.http())
            except UpstreamError as error:
                outcome.report(session.id, error)
                raise
            entry.models = sorted(found, key=lambda model: model.id)
            entry.until = time.monotonic() + conf.current().models_cache_s
        return list(entry.models)


def supporting(models: Iterable[ModelInfo], wanted: Iterable[str], declared: Capabilities) -> list[ModelInfo]:
    """The models with every capability in ``wanted``; one that says nothing has what its provider has ``declared``.

    Raises ``InvalidRequest`` for a capability that there is not.
    """
    names = frozenset(wanted)
    for name in sorted(names - CAPABILITY_NAMES):
        raise InvalidRequest(f"There is no capability {name!r}.", hint=nearest(name, CAPABILITY_NAMES))
    return [model for model in models if names <= (frozenset(model.capabilities) or declared.names)]
