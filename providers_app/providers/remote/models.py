"""``GET /models``, completed with what servers tell beside it; single models are looked for in the list.

Each kind of server has its own endpoints for windows, modalities, capabilities and prices, all at the session's own
origin, with a deadline of their own. What cannot be had changes nothing of the list. A server without a list
(Perplexity) has the models that its row names.
"""

import asyncio
import builtins
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers_app.behaviours.addresses import address, get, post
from providers_app.behaviours.listing import found_in
from providers_app.behaviours.lookups import number
from providers_app.behaviours.openai_models import read_model
from providers_app.errors import AddressRefused, NotFound, UpstreamError
from providers_app.providers.remote.api_key import BEHAVIOUR as KEY
from providers_app.providers.remote.api_key import listed
from providers_app.providers.remote.options import server_of
from providers_app.providers.remote.servers import SLUG
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.wire import payload
from providers_app.wire.client import Http

ASK_S = 3.0
ALL_S = 6.0
MAX_BODY = 1024 * 1024
"""Bytes of one answer; no description of models comes near, and the place is an address that a person typed."""
MAX_SHOWN = 40
"""Models that are asked for one by one; the others keep what the list says."""
AT_ONCE = 4
_PRICE_UNIT = 10_000
"""xAI's prices are in US cents per hundred million tokens."""


class Endpoint(msgspec.Struct, frozen=True):
    """The server of a session."""

    credential: Credential
    http: Http

    @property
    def base(self) -> str:
        """The address with the API's path."""
        return address(SLUG, self.credential, "")

    @property
    def origin(self) -> str:
        """Native endpoints lie beside the compatible ones."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"

    async def ask(self, url: str, body: dict[str, Any] | None = None) -> Any:
        """Return the decoded answer, ``None`` for anything that is no success and no JSON."""
        request = get(url) if body is None else post(url, payload.encode(body))
        try:
            signed = KEY.authorize(self.credential, request)
            answer = await self.http.send(signed, timeout=ASK_S, max_body=MAX_BODY)
            return payload.decode(answer.body) if 200 <= answer.status < 300 else None
        except (UpstreamError, AddressRefused, ValueError):
            return None


async def completed(kind: str, models: list[ModelInfo], endpoint: Endpoint) -> list[ModelInfo]:
    """Add to the models what the server's own endpoints tell of them in time."""
    read = READERS.get(kind)
    if read is None or not models:
        return models
    try:
        async with asyncio.timeout(ALL_S):
            changes = await read(models, endpoint)
    except TimeoutError:
        return models
    return [msgspec.structs.replace(model, **changes.get(model.id, {})) for model in models]


async def _ollama(models: list[ModelInfo], endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    running = payload.sequence(payload.mapping(await endpoint.ask(f"{endpoint.origin}/api/ps")).get("models"))
    allocated = {
        name: size
        for item in map(payload.mapping, running)
        if (size := number(item.get("context_length"))) and (name := payload.text(item.get("name")))
    }
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(model: ModelInfo) -> tuple[str, dict[str, Any]]:
        async with turns:
            found = payload.mapping(await endpoint.ask(f"{endpoint.origin}/api/show", {"model": model.id}))
        return model.id, _shown(found, allocated.get(model.id))

    return dict(await asyncio.gather(*(one(model) for model in models[:MAX_SHOWN])))


def _shown(found: dict[str, Any], allocated: int | None) -> dict[str, Any]:
    """Read an answer of ``/api/show``; the allocated window counts, because more is cut off without notice."""
    info = payload.mapping(found.get("model_info"))
    largest = next((number(value) for name, value in info.items() if name.endswith(".context_length")), None)
    words = {word for word in payload.sequence(found.get("capabilities")) if isinstance(word, str)}
    changes: dict[str, Any] = {}
    if window := allocated or largest:
        changes["context_window"] = window
    if words:
        changes |= _capabilities("completion" in words, "tools" in words, "vision" in words, "thinking" in words)
    return changes


async def _llama_cpp(models: list[ModelInfo], endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    props = payload.mapping(await endpoint.ask(f"{endpoint.origin}/props"))
    window = number(payload.mapping(props.get("default_generation_settings")).get("n_ctx"))
    seen = payload.mapping(props.get("modalities"))
    changes: dict[str, Any] = {"context_window": window} if window else {}
    if seen.get("vision") is True:
        changes["input_modalities"] = ("text", "image")
    # The properties are those of the loaded model: with several in the list, of the one that they name.
    names = {payload.text(props.get("model_alias")), payload.text(props.get("model_path"))}
    meant = models if len(models) == 1 else [model for model in models if model.id in names]
    return {model.id: changes for model in meant}


async def _lm_studio(models: list[ModelInfo], endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    found = payload.mapping(await endpoint.ask(f"{endpoint.origin}/api/v0/models"))
    changes = {}
    for item in map(payload.mapping, payload.sequence(found.get("data"))):
        window = number(item.get("loaded_context_length")) or number(item.get("max_context_length"))
        known: dict[str, Any] = {"context_window": window} if window else {}
        if kind := payload.text(item.get("type")):
            tools = "tool_use" in payload.sequence(item.get("capabilities"))
            known |= _capabilities(kind != "embeddings", tools, kind == "vlm", False)
        changes[payload.text(item.get("id"))] = known
    return changes


_PRICES = {
    "input_price": "prompt_text_token_price",
    "output_price": "completion_text_token_price",
    "cached_input_price": "cached_prompt_text_token_price",
}


async def _xai(models: list[ModelInfo], endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    found = payload.mapping(await endpoint.ask(f"{endpoint.base}/language-models"))
    changes = {}
    for item in map(payload.mapping, payload.sequence(found.get("models"))):
        seen = [word for word in payload.sequence(item.get("input_modalities")) if isinstance(word, str)]
        known: dict[str, Any] = {"input_modalities": tuple(seen)} if seen else {}
        known |= {name: cents / _PRICE_UNIT for name, price in _PRICES.items() if (cents := number(item.get(price)))}
        changes[payload.text(item.get("id"))] = known
    return changes


def _capabilities(chat: bool, tools: bool, vision: bool, reasoning: bool) -> dict[str, Any]:
    named = {"chat": chat, "streaming": chat, "tools": tools, "parallel_tools": tools}
    named |= {"images_in": vision, "reasoning": reasoning}
    return {
        "capabilities": tuple(sorted(name for name, there in named.items() if there)) or ("embeddings",),
        "input_modalities": ("text", "image") if vision else ("text",),
    }


Reader = Callable[[list[ModelInfo], Endpoint], Awaitable[dict[str, dict[str, Any]]]]
READERS: dict[str, Reader] = {"ollama": _ollama, "llama_cpp": _llama_cpp, "lm_studio": _lm_studio, "xai": _xai}

# Mistral's words for what a model can do.
FLAGS = {
    "completion_chat": ("chat", "streaming"),
    "function_calling": ("tools", "parallel_tools"),
    "vision": ("images_in",),
    "reasoning": ("reasoning",),
}


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry of the list; ``None`` for one that is switched off or not for chat."""
    model = read_model({"id": entry.get("name"), **entry})  # some servers give names alone
    flags = entry.get("capabilities")
    if model is None or entry.get("active") is False:
        return None
    if not isinstance(flags, dict):
        return model
    if flags.get("completion_chat") is False:
        return None
    found = {name for flag, names in FLAGS.items() if flags.get(flag) is True for name in names}
    seen = ("text", "image") if "images_in" in found else ("text",)
    return msgspec.structs.replace(
        model, capabilities=tuple(sorted(found)) or model.capabilities, input_modalities=seen
    )


class RemoteModels:
    """The ``models`` behaviour."""

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """List the models. Raise ``UpstreamError``."""
        server = server_of(credential)
        try:
            _, items, seen = await listed(credential, http)
        except NotFound:
            if not server.models:
                raise
            return [ModelInfo(id=name, name=name, source="shipped") for name in server.models]
        found = {model.id: model for item in items if (model := read(item)) is not None}
        endpoint = Endpoint(credential, http)
        return await completed((seen or server).facts, builtins.list(found.values()), endpoint)

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raise ``UnknownModel`` and other ``UpstreamError``."""
        return found_in(await self.list(credential, http), model_id)


BEHAVIOUR = RemoteModels()
