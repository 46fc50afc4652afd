"""``GET /v1/models``, all pages; older deployments say no more of a model than its id."""

from typing import Any
from urllib.parse import quote

from providers_app.behaviours.addresses import segment
from providers_app.behaviours.keys import key_or_login
from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.lookups import number
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.providers.anthropic import api_key
from providers_app.providers.anthropic.requests import get, signed_by_login
from providers_app.types.catalogue import Figure, ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire import payload

# Every model of the Messages API takes tools; the list has no flag for it.
ALWAYS = frozenset({"chat", "streaming", "tools", "parallel_tools", "count_tokens"})
FLAGS = {"image_input": "images_in", "structured_outputs": "structured_output", "thinking": "reasoning"}


def page(credential: Credential, after: str | None) -> HttpRequest:
    """Return the request of one page; the default of 20 entries would cut the list short."""
    return get("/v1/models?limit=1000" + (f"&after_id={quote(after, safe='')}" if after else ""), credential)


def cursor(body: dict[str, Any]) -> str | None:
    """Return the id after which the next page begins."""
    return payload.text(body.get("last_id")) or None if body.get("has_more") else None


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry of the list."""
    model_id = entry.get("id")
    if not isinstance(model_id, str) or not model_id:
        return None
    flags = entry.get("capabilities")
    known = {name for flag, name in FLAGS.items() if _supported(flags, flag)}
    reads = ["text", *(["image"] if "images_in" in known else []), *(["pdf"] if _supported(flags, "pdf_input") else [])]
    told = isinstance(flags, dict)  # without flags nothing is said of these, and what is known otherwise holds
    return ModelInfo(
        id=model_id,
        name=str(entry.get("display_name") or model_id),
        context_window=number(entry.get("max_input_tokens")),
        max_output_tokens=number(entry.get("max_tokens")),
        input_modalities=tuple(reads),
        capabilities=tuple(sorted(ALWAYS | known)),
        lifecycle=payload.text(entry.get("lifecycle")) or None,
        released_at=_day(entry.get("created_at")),
        deprecated_at=_day(entry.get("deprecated_at")),
        retires_at=_day(entry.get("retires_at")),
        figures=dict.fromkeys(("input_modalities", "capabilities"), Figure(source="provider")) if told else {},
        raw=entry,
    )


def _day(value: Any) -> str | None:
    """Return the day of a time in RFC 3339."""
    return value[:10] if isinstance(value, str) and len(value) >= 10 else None


def _supported(flags: Any, name: str) -> bool:
    return payload.mapping(payload.mapping(flags).get(name)).get("supported") is True


BEHAVIOUR = ListedModels(
    sign=key_or_login(api_key.BEHAVIOUR.authorize, signed_by_login),
    dialect=DIALECT,
    page=page,
    cursor=cursor,
    read=read,
    one=lambda credential, model_id: get(f"/v1/models/{segment(model_id)}", credential),
)
