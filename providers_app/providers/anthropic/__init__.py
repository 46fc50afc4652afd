"""Anthropic: the Messages API with a key or a login."""

from providers_app.types.catalogue import Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="anthropic",
    name="Anthropic",
    monogram="An",
    description="Claude models over the Messages API.",
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(
        names=frozenset(
            {
                "chat",
                "streaming",
                "tools",
                "parallel_tools",
                "reasoning",
                "images_in",
                "structured_output",
                "models",
                "count_tokens",
            }
        )
    ),
    key_hint="sk-ant-...",
    key_url="https://console.anthropic.com/settings/keys",
)
