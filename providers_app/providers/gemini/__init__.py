"""Google Gemini: the Generative Language API with a key, a Google account or a service account."""

from providers_app.types.catalogue import Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="gemini",
    name="Google Gemini",
    monogram="Ge",
    description="Gemini models with a key, your own Google OAuth client or a service account.",
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
    key_hint="AIza...",
    key_url="https://aistudio.google.com/apikey",
)
