"""The lists of models that providers gave, by session, for as long as the provider loop lives.

Pages read windows and prices here as well, from any thread and without a request. Each process asks for itself: that
takes a second, and a shared cache would put a look-up over the network into every page.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from typing import Any

from providers_app import conf, loop
from providers_app.errors import ProviderError
from providers_app.model_data.library import host_of, library
from providers_app.model_data.merge import configured, day_of, merged_list
from providers_app.ports import Session
from providers_app.registry.discovery import registry
from providers_app.types.catalogue import ModelInfo, PartialList
from providers_app.types.credentials import Credential

KEPT = 256
KEPT_MODELS = 100_000
"""Limits of the cache: lists, and models in all of them; the least recently used are dropped."""


class CachedList:
    """The list of one session: ``listed`` is ``None`` before the provider sent it, ``flight`` a request under way."""

    def __init__(self, session: Session, credential: Credential) -> None:
        self.identity = identity_of(session, credential)
        self.account = session.account
        self.secret = hash(credential.secret)
        self.listed: list[ModelInfo] | None = None
        self.lacks = ""
        self.fetched_at = self.answered = self.failed = 0.0
        self.error: ProviderError | None = None
        self.flight: asyncio.Task[None] | None = None
        self.provider, self._name, self._host = session.provider, session.name, host_of(credential.base_url)
        self._made_of: tuple[Any, ...] = ()
        self._whole: tuple[ModelInfo, ...] = ()

    def store(self, listed: list[ModelInfo], credential: Credential) -> None:
        """Keep the list that the provider sent."""
        self.listed, self.error = listed, None
        self.lacks = listed.lacks if isinstance(listed, PartialList) else ""
        self.fetched_at, self.answered = time.time(), time.monotonic()
        self.secret = hash(credential.secret)

    def fail(self, error: ProviderError) -> None:
        """Note the error that the provider sent instead; an earlier list stays."""
        self.error, self.failed = error, time.monotonic()

    def age(self) -> float:
        """Return the seconds since the provider sent the list."""
        return time.monotonic() - self.answered

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the listed models, else all known ones, completed; by id unless the card says ``models_in_order``."""
        index, setting = library.index(self.provider, self._host), conf.current().configured_models
        made_of = (self.listed, index, setting)
        if len(self._made_of) != 3 or any(a is not b for a, b in zip(made_of, self._made_of, strict=True)):
            listed = self.listed if self.listed is not None else list(index.models.values())
            day = day_of(self.fetched_at or time.time())
            found = merged_list(listed, index.find, configured(setting, self.provider, self._name), today=day)
            if self.listed is None or not registry.card(self.provider).models_in_order:
                found.sort(key=lambda model: model.id)
            self._whole, self._made_of = tuple(found), made_of
        return self._whole


class ModelLists:
    """Lists by session; a session whose key, account or address changed begins anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, CachedList] = OrderedDict()

    def of(self, session: Session, credential: Credential) -> CachedList:
        """Return the entry of a session, a new one where it signed with another credential before."""
        with self._lock:
            kept = self._kept.get(session.id)
            if kept is None or kept.identity != identity_of(session, credential):
                kept = self._kept[session.id] = CachedList(session, credential)
            self._kept.move_to_end(session.id)
            total = sum(len(each.listed or ()) for each in self._kept.values())
            while len(self._kept) > KEPT or (total > KEPT_MODELS and len(self._kept) > 1):
                total -= len(self._kept.popitem(last=False)[1].listed or ())
        return kept

    def peek(self, session_id: str, account: str | None = None) -> CachedList | None:
        """Return the entry of a session, if there is one; with ``account``, only if it is of that account."""
        kept = self._kept.get(session_id)
        return kept if kept is None or account is None or kept.account == account else None

    def forget(self, session_id: str) -> None:
        """Drop the entry of a session. What a request under way brings is not kept either."""
        with self._lock:
            self._kept.pop(session_id, None)


class _Latest:
    lists = ModelLists()


def lists() -> ModelLists:
    """Return the lists of this process. Call it on the provider loop."""
    _Latest.lists = loop.local("models", ModelLists)
    return _Latest.lists


def latest() -> ModelLists:
    """Return what ``lists`` returned last, empty ones before. May be called from any thread."""
    return _Latest.lists


def identity_of(session: Session, credential: Credential) -> int:
    """Return a hash that changes with the account, address, options and key, not with a login's access token."""
    who = session.account if credential.auth_type == "oauth" else credential.secret
    return hash((credential.auth_type, who, credential.base_url, tuple(sorted(credential.settings.items()))))
