"""Options of a session at OpenRouter: how it names the application, and which providers may answer."""

from typing import Any

import msgspec

from providers_app.types.catalogue import SettingField
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential

_NAMES = r"[a-z0-9][a-z0-9/._-]*(\s*,\s*[a-z0-9][a-z0-9/._-]*)*"
_PROBLEM = "Providers are their short names with commas between them, such as anthropic, google-vertex."
_ADDRESS = r"https?://[!-~]+"

SETTINGS = (
    SettingField(
        name="app_title",
        label="Application",
        help="The name in the X-OpenRouter-Title header.",
        placeholder="Maestro",
        pattern=r"[ -~]{1,100}",
        problem="A name is at most 100 characters that a header can carry.",
        advanced=True,
    ),
    SettingField(
        name="app_url",
        label="Application's address",
        help="The HTTP-Referer header, by which OpenRouter counts applications.",
        placeholder="https://maestro.example",
        pattern=_ADDRESS,
        problem="An address begins with https:// or http://.",
        advanced=True,
    ),
    SettingField(
        name="provider_order",
        label="Providers in order",
        help="Which providers are tried first.",
        placeholder="anthropic, google-vertex",
        pattern=_NAMES,
        problem=_PROBLEM,
        advanced=True,
    ),
    SettingField(
        name="provider_only",
        label="No other providers",
        help="Requests go to these providers or fail.",
        pattern=_NAMES,
        problem=_PROBLEM,
        advanced=True,
    ),
    SettingField(
        name="data_collection",
        label="Data collection",
        help="deny: only providers that keep nothing of what they are sent.",
        choices=("allow", "deny"),
        placeholder="As the account says",
        advanced=True,
    ),
    SettingField(
        name="allow_fallbacks",
        label="Fallbacks",
        help="Whether another provider answers when the first ones cannot.",
        choices=("true", "false"),
        placeholder="As OpenRouter does",
        advanced=True,
    ),
)


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
