"""OpenAI: the Responses API with a key, or with a ChatGPT login."""

from providers_app.types.catalogue import Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="openai",
    name="OpenAI",
    monogram="Oa",
    description="GPT models over the Responses API.",
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
    key_hint="sk-...",
    key_url="https://platform.openai.com/api-keys",
    models_in_order=True,
)
