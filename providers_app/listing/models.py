"""The models that a session can use: asked from its provider, kept with their age, completed by what is known anyway.

A list younger than ``models_cache_s`` is returned at once; one younger than ``models_stale_s`` too, and is then fetched
again in the background. An older one, and with ``refresh`` any, is fetched now; when that fails, the last list, or what
the model files and the configuration say, is returned with the reason. Callers share one request.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from providers_app import conf, errors, loop
from providers_app.advice.values import checked_model
from providers_app.behaviours.listing import check_size
from providers_app.dispatch import clients, prepare
from providers_app.dispatch.credentials import client_of, open_session, report
from providers_app.dispatch.faults import faults_of
from providers_app.listing.cache import CachedList, latest, lists
from providers_app.listing.search import ModelQuery, search
from providers_app.loop import on_provider_loop
from providers_app.model_data.library import completed, facts, host_of
from providers_app.ownership import find_owner
from providers_app.ports import Owner, Session
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve
from providers_app.text import checked_names
from providers_app.types.catalogue import AuthType, ModelInfo, ModelListing, PartialList
from providers_app.types.credentials import Credential
from providers_app.wire.client import Http

BACKGROUND = 8
"""Background requests for lists at the same time."""
TRY_AGAIN_S = 60.0
"""Seconds before a provider that gave no list is asked again in the background."""
NO_SUCH_PAGE = (404, 405, 501)

Fetch = Callable[[Session, Credential], Awaitable[list[ModelInfo]]]
Ask = Callable[[Fetch], Awaitable[list[ModelInfo]]]
"""Calls ``Fetch`` with the session and a credential that is good now."""


@on_provider_loop
async def list_models(
    provider: str,
    auth_type: AuthType | None,
    name: str,
    *,
    refresh: bool = False,
    supports: Iterable[str] = (),
    owner: Any = None,
) -> list[ModelInfo]:
    """Return the models of a session, from the cache for some minutes unless ``refresh``.

    ``supports`` names capabilities that each model has to have, in its entry or, without any there, by its provider's
    card. Each comes with what else is known of it, ordered by id unless the card says ``models_in_order``; without a
    list, the known models come. Raises ``ProviderError`` when there are none, and with ``refresh`` for no answer.
    """
    kept = await _asked(await find_owner(owner), provider, name, auth_type, refresh=refresh)
    models = kept.models()
    if kept.error is not None and (refresh or kept.listed is None) and not (_has_no_list(kept) and models):
        raise kept.error
    query = ModelQuery(supports=checked_names(supports, "supports"))
    return search(models, query, registry.card(kept.provider).capabilities)


@on_provider_loop
async def model_listing(
    provider: str, auth_type: AuthType | None, name: str, *, refresh: bool = False, owner: Any = None
) -> ModelListing:
    """Return the same list with its age, for pages: when the provider fails, the last list with the reason.

    Raises what finding the session raises.
    """
    return _listing_of(await _asked(await find_owner(owner), provider, name, auth_type, refresh=refresh))


@on_provider_loop
async def get_model(
    provider: str, session: str, model_id: str, *, auth_type: AuthType | None = None, owner: Any = None
) -> ModelInfo:
    """Return one model from the provider, or the model files where it cannot be asked.

    Raises ``InvalidRequest``, ``UnknownModel``, ``UnsupportedOperation`` and other ``UpstreamError``.
    """
    client = await open_session(await find_owner(owner), provider, session, auth_type)
    return await client.call(partial(_get_model, model_id=model_id))


async def fetch_now(session: Session, credential: Credential) -> list[ModelInfo]:
    """Fetch the models as the provider lists them now: the test of a login. Raises ``ProviderError``."""
    kept = lists().of(session, credential)
    await asyncio.shield(kept.flight or _start(kept, session, credential, lambda fetch: fetch(session, credential)))
    if kept.error is not None:
        raise kept.error
    return list(kept.models())


def cached(session_id: str, account: str | None = None) -> ModelListing | None:
    """Return the last list of a session, ``None`` before the first. Sends nothing; may be called from any thread.

    A list of another account than ``account``, as which the session is signed in now, is not given.
    """
    kept = latest().peek(session_id, account)
    return None if kept is None or (kept.listed is None and kept.error is None) else _listing_of(kept)


def timed_out(session_id: str, account: str | None = None) -> ModelListing:
    """Return the last list of a session, with the error that its provider did not answer in time."""
    before = cached(session_id, account) or ModelListing()
    error = errors.UpstreamTimeout("The provider did not list its models in time.").info()
    return msgspec.structs.replace(before, stale=before.fetched_at is not None, refreshing=False, error=error)


def fetched_recently(session_id: str, account: str | None = None) -> bool:
    """Return whether there is a list, or a request for it failed less than ``TRY_AGAIN_S`` ago. Sends nothing."""
    kept = latest().peek(session_id, account)
    return kept is not None and (kept.listed is not None or time.monotonic() - kept.failed < TRY_AGAIN_S)


async def _asked(owner: Owner, provider: str, name: str, auth_type: AuthType | None, *, refresh: bool) -> CachedList:
    """Return the session's list, asked for now where it is too old."""
    session, credential = await prepare.find(owner, provider, name, auth_type)
    ask = client_of(owner, session, credential).call
    kept, settings = lists().of(session, credential), conf.current()
    if kept.listed is not None and not refresh and kept.age() < settings.models_stale_s:
        if kept.age() < settings.models_cache_s and kept.secret == hash(credential.secret):
            return kept
        if settings.models_cache_s > 0:
            _fetch_in_background(kept, session, credential, ask)
            return kept
    # A caller that leaves does not take the list from the others.
    await asyncio.shield(kept.flight or _start(kept, session, credential, ask))
    return kept


async def _get_model(session: Session, credential: Credential, model_id: str) -> ModelInfo:
    name, host = checked_model(model_id), host_of(credential.base_url)
    try:
        with faults_of(session.provider):
            found = await resolve(session.provider, "models").get(name, credential, _http(session, credential))
    except errors.UnsupportedOperation:
        if known := facts(session.provider, name, host=host, session=session.name):
            return known
        raise
    return completed(found, session.provider, host=host, session=session.name)


def _listing_of(kept: CachedList) -> ModelListing:
    listed = kept.listed is not None
    return ModelListing(
        models=kept.models(),
        fetched_at=kept.fetched_at if listed else None,
        stale=listed and (kept.error is not None or kept.age() >= conf.current().models_cache_s > 0),
        refreshing=kept.flight is not None,
        error=kept.error.info() if kept.error is not None else None,
        lacks=kept.lacks,
    )


def _has_no_list(kept: CachedList) -> bool:
    """Return whether the provider answered that it has no list."""
    no_page = isinstance(kept.error, errors.UpstreamError) and kept.error.status in NO_SUCH_PAGE
    return no_page or isinstance(kept.error, errors.UnsupportedOperation)


def _fetch_in_background(kept: CachedList, session: Session, credential: Credential, ask: Ask) -> None:
    """Start a request unless one is under way, one just failed, or too many others are under way."""
    rested = kept.error is None or time.monotonic() - kept.failed >= TRY_AGAIN_S
    if rested and kept.flight is None and len(_flights()) < BACKGROUND:
        _start(kept, session, credential, ask)


def _start(kept: CachedList, session: Session, credential: Credential, ask: Ask) -> "asyncio.Task[None]":
    async def fetch() -> None:
        try:
            kept.store(await ask(_fetch), credential)
        except errors.ProviderError as error:
            kept.fail(error)

    def landed(task: "asyncio.Task[None]") -> None:
        kept.flight = None
        _flights().discard(task)

    flight = kept.flight = loop.spawn(fetch(), name=f"models-{session.id}")
    _flights().add(flight)
    flight.add_done_callback(landed)
    return flight


def _flights() -> "set[asyncio.Task[None]]":
    return loop.local("model-flights", set)


async def _fetch(session: Session, credential: Credential) -> list[ModelInfo]:
    try:
        with faults_of(session.provider):
            found = await resolve(session.provider, "models").list(credential, _http(session, credential))
            listed = [model for model in found if isinstance(model, ModelInfo)]
        check_size(len(listed))
    except errors.UpstreamError as error:
        if not (session.auth_type == "oauth" and isinstance(error, errors.AuthenticationFailed)):
            report(session, error)  # a refused access token is first refreshed: ``refresh.service`` tells
        raise
    return PartialList(listed, found.lacks) if isinstance(found, PartialList) else listed


def _http(session: Session, credential: Credential) -> Http:
    return clients.http_for(session.provider, session.owner, credential)
