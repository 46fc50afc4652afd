"""``POST /chat/completions``, with the providers that the session wants to answer."""

from typing import Any

import msgspec

from providers_app.behaviours.addresses import ChatEndpoint
from providers_app.providers.openrouter.requests import DIALECT, post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential


def routed(chat: ChatRequest, credential: Credential) -> ChatRequest:
    """Add the session's routing (https://openrouter.ai/docs/features/provider-routing); the caller's ``extra`` wins."""
    own = credential.settings
    wanted: dict[str, Any] = {
        "order": _names(own.get("provider_order")),
        "only": _names(own.get("provider_only")),
        "data_collection": own.get("data_collection"),
        "allow_fallbacks": {"true": True, "false": False}.get(own.get("allow_fallbacks", "")),
    }
    wanted = {name: value for name, value in wanted.items() if value not in (None, "", [])}
    if not wanted:
        return chat
    extra = chat.params.extra
    given = extra.get("provider")
    merged = {**wanted, **given} if isinstance(given, dict) else given if given is not None else wanted
    params = msgspec.structs.replace(chat.params, extra={**extra, "provider": merged})
    return msgspec.structs.replace(chat, params=params)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


BEHAVIOUR = ChatEndpoint(
    dialect=DIALECT,
    request=lambda chat, credential, body: post("/chat/completions", credential, body, streamed=chat.stream),
    prepared=routed,
)
