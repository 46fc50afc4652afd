"""Listing models page by page, and reading one."""

import builtins
from collections.abc import Callable
from typing import Any

import msgspec

from providers_app.behaviours.keys import Sign
from providers_app.behaviours.lookups import ask, items_of, json_of
from providers_app.errors import BadAnswer, NotFound, UnknownModel
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.client import Http

MAX_PAGES = 100
MAX_MODELS = 20_000
"""The models that a list may have on all its pages; one with more does not end, or is an attack."""


class ListedModels(msgspec.Struct, frozen=True, kw_only=True):
    """The ``models`` behaviour of a provider with a list of models.

    ``page`` makes the request of the page after a cursor (``None`` for the first), ``cursor`` finds the next one in a
    page, ``one`` makes the request of a single model; without it a model is looked for in the list. ``read`` turns an
    entry into a ``ModelInfo``, or ``None`` for what is no model to talk to. ``keys`` are the names that the list itself
    may have in a page; in a ``sparse`` page an empty list is left out.
    """

    sign: Sign
    dialect: Dialect
    page: Callable[[Credential, str | None], HttpRequest]
    read: Callable[[dict[str, Any]], ModelInfo | None]
    cursor: Callable[[dict[str, Any]], str | None] = lambda page: None
    one: Callable[[Credential, str], HttpRequest] | None = None
    keys: tuple[str, ...] = ("data", "models")
    sparse: bool = False

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """Return the models of all pages. Raises ``UpstreamError``; ``BadAnswer`` for a list that does not end."""
        found: dict[str, ModelInfo] = {}
        seen: set[str] = set()
        after: str | None = None
        for _ in range(MAX_PAGES):
            answer = await ask(self.sign(credential, self.page(credential, after)), http, self.dialect)
            body = json_of(answer)
            empty = self.sparse and isinstance(body, dict) and not set(body) - {"nextPageToken"}
            for item in [] if empty else items_of(body, *self.keys):
                if (model := self.read(item)) is not None:
                    found.setdefault(model.id, model)
            check_size(len(found))
            after = self.cursor(body) if isinstance(body, dict) else None
            if not after:
                return builtins.list(found.values())
            if after in seen:
                raise BadAnswer("The provider's list of models gives the same page again and again.")
            seen.add(after)
        raise BadAnswer(f"The provider's list of models has more than {MAX_PAGES} pages.")

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raises ``UnknownModel`` and other ``UpstreamError``."""
        if self.one is None:
            return found_in(await self.list(credential, http), model_id)
        try:
            body = json_of(await ask(self.sign(credential, self.one(credential, model_id)), http, self.dialect))
        except NotFound as error:
            message = f"There is no model {model_id!r} for this session."
            raise UnknownModel(message, status=error.status, type=error.type, request_id=error.request_id) from None
        single = self.read(body) if isinstance(body, dict) else None
        if single is None:
            raise BadAnswer("The provider's description of the model could not be read.")
        return single


def found_in(models: list[ModelInfo], model_id: str) -> ModelInfo:
    """Return the model of this id. Raise ``UnknownModel``."""
    for model in models:
        if model.id == model_id:
            return model
    raise UnknownModel(f"There is no model {model_id!r} in the provider's list.")


def next_page_token(page: dict[str, Any]) -> str | None:
    """Return the cursor in a page of one of Google's lists."""
    return payload.text(page.get("nextPageToken")) or None


def check_size(models: int) -> None:
    """Raise ``BadAnswer`` for a list that is too long to be one."""
    if models > MAX_MODELS:
        raise BadAnswer(f"The provider's list of models has more than {MAX_MODELS:,} of them.")
