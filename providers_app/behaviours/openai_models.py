"""Entries of an OpenAI-style list of models, with what compatible servers add to them."""

from typing import Any

from providers_app.behaviours.asking import number
from providers_app.types.catalogue import ModelInfo

# Where servers say how much a model can read and write, most exact first.
WINDOWS = ("context_window", "context_length", "max_model_len", "max_context_length")
OUTPUTS = ("max_output_tokens", "max_completion_tokens")
PARAMETERS = {"tools": "tools", "reasoning": "reasoning", "structured_outputs": "structured_output"}


def read_model(entry: dict[str, Any]) -> ModelInfo | None:
    """One entry; only its ``id`` is required. Capabilities stay empty where the server says nothing of them."""
    model_id = entry.get("id")
    if not isinstance(model_id, str) or not model_id:
        return None
    meta, top = _object(entry, "meta"), _object(entry, "top_provider")
    modalities = _object(entry, "architecture").get("input_modalities")
    retires = entry.get("shutdown_date") or entry.get("deprecation")
    return ModelInfo(
        id=model_id,
        name=str(entry.get("display_name") or entry.get("name") or model_id),
        context_window=_first(entry, WINDOWS) or number(meta.get("n_ctx_train")) or number(top.get("context_length")),
        max_output_tokens=_first(entry, OUTPUTS) or number(top.get("max_completion_tokens")),
        input_modalities=tuple(map(str, modalities)) if isinstance(modalities, list) and modalities else ("text",),
        capabilities=_capabilities(entry, modalities),
        input_price=_price(entry, "prompt"),
        output_price=_price(entry, "completion"),
        retires_at=retires if isinstance(retires, str) else None,
        raw=entry,
    )


def _capabilities(entry: dict[str, Any], modalities: Any) -> tuple[str, ...]:
    supported = entry.get("supported_parameters")
    if not isinstance(supported, list):
        return ()
    found = {"chat", "streaming", *(name for parameter, name in PARAMETERS.items() if parameter in supported)}
    if isinstance(modalities, list) and "image" in modalities:
        found.add("images_in")
    return tuple(sorted(found))


def _price(entry: dict[str, Any], name: str) -> float | None:
    """Dollars per million tokens from the string per token that some servers give."""
    value = _object(entry, "pricing").get(name)
    try:
        price = float(value) * 1_000_000 if isinstance(value, str | int | float) else None
    except ValueError:
        return None
    return round(price, 6) if price is not None and 0 <= price < 1e9 else None


def _object(entry: dict[str, Any], key: str) -> dict[str, Any]:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def _first(entry: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((found for key in keys if (found := number(entry.get(key)))), None)
