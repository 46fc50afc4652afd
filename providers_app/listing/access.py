"""The functions of the universal interface that are about models; see ``provider``."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from providers_app.dispatch import prepare
from providers_app.dispatch.credentials import client_of, open_session
from providers_app.listing import models as catalogue
from providers_app.listing.search import ModelQuery, search
from providers_app.loop import on_provider_loop
from providers_app.ownership import find_owner
from providers_app.registry.discovery import registry
from providers_app.text import checked_names
from providers_app.types.catalogue import AuthType, ModelInfo, ModelListing


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

    ``supports`` names capabilities that each model has to have; one without any in its entry counts as having those
    that its provider declares. Each comes with what else is known of it and the source of each figure, ordered by id,
    or as the provider lists them where its card says ``models_in_order``. Raises ``UpstreamError``.
    """
    found = await find_owner(owner)
    session, credential = await prepare.find(found, provider, name, auth_type)
    ask = client_of(found, session, credential).call
    models = await catalogue.list_models(session, credential, ask, refresh=refresh)
    query = ModelQuery(supports=checked_names(supports, "supports"))
    return search(models, query, registry.card(session.provider).capabilities)


@on_provider_loop
async def model_listing(
    provider: str, auth_type: AuthType | None, name: str, *, refresh: bool = False, owner: Any = None
) -> ModelListing:
    """Return the same list with its age, for pages: when the provider fails, the last list with the reason.

    Raises what finding the session raises.
    """
    found = await find_owner(owner)
    session, credential = await prepare.find(found, provider, name, auth_type)
    ask = client_of(found, session, credential).call
    return await catalogue.listing(session, credential, ask, refresh=refresh)


@on_provider_loop
async def get_model(
    provider: str, session: str, model_id: str, *, auth_type: AuthType | None = None, owner: Any = None
) -> ModelInfo:
    """Return one model as the provider describes it. Raises ``UnknownModel`` and other ``UpstreamError``."""
    client = await open_session(await find_owner(owner), provider, session, auth_type)
    return await client.call(partial(catalogue.get_model, model_id=model_id))
