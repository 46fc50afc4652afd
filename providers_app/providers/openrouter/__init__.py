"""OpenRouter: many vendors' models behind one key, over Chat Completions."""

from providers_app.providers.openrouter.options import SETTINGS
from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="openrouter",
    name="OpenRouter",
    monogram="Or",
    description="Models of many vendors behind one account, over Chat Completions.",
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT),
    key_hint="sk-or-v1-...",
    key_url="https://openrouter.ai/settings/keys",
    settings=SETTINGS,
)
