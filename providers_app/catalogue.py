"""Which models a session can use: asked from its provider, kept for a while, filtered on request."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import get_args

from providers_app import clients, conf, loop
from providers_app.asking import checked_model, names_of
from providers_app.errors import AuthenticationFailed, InvalidRequest, UpstreamError
from providers_app.nearest import nearest
from providers_app.ports import Session
from providers_app.registry import registry
from providers_app.resilience import outcome
from providers_app.resilience.faults import faults_of
from providers_app.resolver import resolve
from providers_app.types.catalogue import Capabilities, CapabilityName, ModelInfo
from providers_app.types.credentials import Credential
from providers_app.wire.client import Http

KEPT = 256
CAPABILITY_NAMES: frozenset[str] = frozenset(get_args(CapabilityName))


class _Entry:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.models: list[ModelInfo] | None = None
        self.until = 0.0
        self.failed: UpstreamError | None = None
        self.answered = 0.0


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
    """The models of a session; asked anew when ``refresh`` is set or the kept list is too old.

    They come by id, or as their provider lists them where its card says so (``models_in_order``). Callers that ask at
    the same time share one request and what came of it. Raises ``UpstreamError``.
    """
    asked = time.monotonic()
    entry = loop.local("models", _Cache).entry(session, credential)
    async with entry.lock:
        shared = entry.answered > asked  # while this caller waited for another one's answer
        if shared and entry.failed is not None:
            raise entry.failed
        if entry.models is None or (refresh and not shared) or time.monotonic() >= entry.until:
            try:
                with faults_of(session.provider):
                    found = await resolve(session.provider, "models").list(credential, _http(session, credential))
                    own_order = registry.card(session.provider).models_in_order
                    entry.models = list(found) if own_order else sorted(found, key=lambda model: model.id)
            except UpstreamError as error:
                if not (session.auth_type == "oauth" and isinstance(error, AuthenticationFailed)):
                    outcome.report(session, error)  # a refused access token is first refreshed: ``refreshing`` tells
                entry.failed, entry.answered = error, time.monotonic()
                raise
            entry.failed, entry.answered = None, time.monotonic()
            entry.until = entry.answered + conf.current().models_cache_s
        return list(entry.models)


async def get_model(session: Session, credential: Credential, model_id: str) -> ModelInfo:
    """One model, asked from the provider. Raises ``InvalidRequest``, ``UnknownModel`` and other ``UpstreamError``."""
    name = checked_model(model_id)
    with faults_of(session.provider):
        return await resolve(session.provider, "models").get(name, credential, _http(session, credential))


def _http(session: Session, credential: Credential) -> Http:
    return clients.http_for(session.provider, session.owner, credential)


def supporting(models: Iterable[ModelInfo], wanted: Iterable[str], declared: Capabilities) -> list[ModelInfo]:
    """The models with every capability in ``wanted``; one that says nothing has what its provider has ``declared``.

    Raises ``InvalidRequest`` for a capability that there is not.
    """
    names = frozenset(names_of(wanted, "supports"))
    for name in sorted(names - CAPABILITY_NAMES):
        raise InvalidRequest(f"There is no capability {name!r}.", hint=nearest(name, CAPABILITY_NAMES))
    return [model for model in models if names <= (frozenset(model.capabilities) or declared.names)]
