"""``publishers/<publisher>/models``, all pages, of every publisher whose models can be asked here.

The lists say neither limits nor abilities of a model. A project may be kept from Anthropic's list; then there are
Google's models alone, and that is said. Keys of express mode have no list at all
(https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/vertex-ai-express-mode-api-reference).
"""

import builtins
import re
from typing import Any
from urllib.parse import quote

from providers_app.behaviours.addresses import get
from providers_app.behaviours.keys import key_or_login
from providers_app.behaviours.listing import ListedModels, next_page_token
from providers_app.errors import BadRequest, NotFound, PermissionDenied, UnsupportedOperation
from providers_app.providers.vertex_ai import api_key, oauth
from providers_app.providers.vertex_ai.requests import ANTHROPIC, GOOGLE, PUBLISHERS, Publisher, list_url, model_of
from providers_app.providers.vertex_ai.streaming import GENERATE
from providers_app.types.catalogue import ModelInfo, PartialList
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.client import Http

PAGE = 100
"""Entries that a page may have at most."""
STAGES = {"GA": "active", "PUBLIC_PREVIEW": "preview", "PRIVATE_PREVIEW": "preview", "EXPERIMENTAL": "preview"}
_DATE = re.compile(r"\d{8}")


def listed(publisher: Publisher) -> ListedModels:
    """Return the list of one publisher."""

    def page(credential: Credential, after: str | None) -> HttpRequest:
        more = f"&pageToken={quote(after, safe='')}" if after else ""
        return get(list_url(publisher.name, f"?pageSize={PAGE}{more}", credential))

    return ListedModels(
        sign=key_or_login(api_key.BEHAVIOUR.authorize, oauth.BEHAVIOUR.authorize),
        dialect=GENERATE,
        page=page,
        cursor=next_page_token,
        read=lambda entry: read(publisher, entry),
        one=lambda credential, model_id: get(list_url(publisher.name, f"/{model_id}", credential)),
        keys=("publisherModels",),
        sparse=True,
    )


def read(publisher: Publisher, entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry; ``None`` for what is no chat model."""
    version, stage = payload.text(entry.get("versionId")), payload.text(entry.get("launchStage"))
    model_id = payload.text(entry.get("name")).rpartition("/")[2]
    if not model_id.startswith(publisher.begins) or any(word in model_id for word in publisher.without):
        return None
    if publisher.dated and _DATE.fullmatch(version) and "@" not in model_id:
        model_id = f"{model_id}@{version}"
    return ModelInfo(
        id=model_id,
        name=payload.text(entry.get("displayName")) or model_id,
        input_modalities=("text", "image"),
        lifecycle=STAGES.get(stage),
        raw=entry,
    )


LISTS = {name: listed(publisher) for name, publisher in PUBLISHERS.items()}


class VertexModels:
    """Every publisher's list, one behind the other."""

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """List the models. Raise ``UpstreamError``, ``UnsupportedOperation`` for a key of express mode."""
        if credential.auth_type == "api_key":
            raise UnsupportedOperation(
                "Express mode has no list of models.",
                hint="Name a model of Google, for example one from the documentation of express mode.",
            )
        found = await LISTS[GOOGLE.name].list(credential, http)
        try:
            found += await LISTS[ANTHROPIC.name].list(credential, http)
        except (NotFound, PermissionDenied, BadRequest) as error:
            return PartialList(found, f"Claude is left out: Anthropic's list could not be read ({error.code}).")
        return found

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raise ``UnknownModel``, ``InvalidRequest`` and other ``UpstreamError``."""
        model = model_of(model_id)
        if credential.auth_type == "api_key":
            raise UnsupportedOperation("Express mode has no list of models.")
        return await LISTS[model.publisher.name].get(model.id, credential, http)


BEHAVIOUR = VertexModels()
