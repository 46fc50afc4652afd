"""Entries of an OpenAI-style list of models, with what compatible servers add to them."""

from typing import Any

from providers_app.behaviours.lookups import number
from providers_app.types.catalogue import Figure, ModelInfo
from providers_app.wire import payload

# Where servers say how much a model can read and write, most exact first.
WINDOWS = ("context_window", "context_length", "max_model_len", "max_context_length")
OUTPUTS = ("max_output_tokens", "max_completion_tokens")
ABILITIES = {
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "reasoning": "reasoning",
    "structured_outputs": "structured_output",
}
"""Request parameters that tell of a capability."""
PARAMETERS = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop": "stop",
    "seed": "seed",
    "reasoning": "reasoning_effort",
    "reasoning_effort": "reasoning_effort",
    "parallel_tool_calls": "parallel_tool_calls",
    "structured_outputs": "response_schema",
}
"""Request parameters by the servers' names and ours."""
SAID = Figure(source="provider")


def read_model(entry: dict[str, Any]) -> ModelInfo | None:
    """Return the model of an entry, of which only ``id`` is required; ``None`` without it."""
    model_id = entry.get("id")
    if not isinstance(model_id, str) or not model_id:
        return None
    meta, top, design = (payload.mapping(entry.get(name)) for name in ("meta", "top_provider", "architecture"))
    reads, writes = _names(design.get("input_modalities")), _names(design.get("output_modalities"))
    takes = entry.get("supported_parameters")
    can = _capabilities(takes, reads)
    retires = entry.get("shutdown_date") or entry.get("deprecation")
    said = {"input_modalities": reads, "output_modalities": writes, "capabilities": can}
    return ModelInfo(
        id=model_id,
        name=str(entry.get("display_name") or entry.get("name") or model_id),
        context_window=_first(entry, WINDOWS) or number(meta.get("n_ctx_train")) or number(top.get("context_length")),
        max_output_tokens=_first(entry, OUTPUTS) or number(top.get("max_completion_tokens")),
        input_modalities=reads or ("text",),
        output_modalities=writes or ("text",),
        capabilities=can,
        parameters=_parameters(takes),
        input_price=_price(entry, "prompt"),
        output_price=_price(entry, "completion"),
        cached_input_price=_price(entry, "input_cache_read"),
        cache_write_price=_price(entry, "input_cache_write"),
        retires_at=retires[:10] if isinstance(retires, str) and retires else None,
        figures={name: SAID for name, value in said.items() if value},
        raw=entry,
    )


def _capabilities(takes: Any, reads: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(takes, list):
        return ()
    found = (name for parameter, name in ABILITIES.items() if parameter in takes)
    return tuple(sorted({"chat", "streaming", *found, *(("images_in",) if "image" in reads else ())}))


def _parameters(takes: Any) -> tuple[str, ...] | None:
    """Return the parameters that the model takes, by our names; ``extra`` stands for others that the server knows."""
    if not isinstance(takes, list):
        return None
    return tuple(sorted({"extra", *(name for given, name in PARAMETERS.items() if given in takes)}))


def _names(value: Any) -> tuple[str, ...]:
    return tuple(name for name in payload.sequence(value) if isinstance(name, str))


def _price(entry: dict[str, Any], name: str) -> float | None:
    """Return dollars per million tokens from the price per token, which some servers give as text."""
    value = payload.mapping(entry.get("pricing")).get(name)
    try:
        price = float(value) * 1_000_000 if isinstance(value, str | int | float) else None
    except ValueError:
        return None
    return round(price, 6) if price is not None and 0 <= price < 1e9 else None


def _first(entry: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((found for key in keys if (found := number(entry.get(key)))), None)
