"""Google's Vertex AI: models of Google and of Anthropic in a project of Google Cloud."""

from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="vertex_ai",
    name="Vertex AI",
    monogram="Vx",
    telemetry_name="gcp.vertex_ai",
    description="Gemini and Claude in your own Google Cloud project, or Gemini with a key of express mode.",
    also_called=("vertex",),
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT | {"count_tokens"}),
    key_hint="AQ.... (express mode)",
    key_url="https://console.cloud.google.com/vertex-ai/studio/settings/api-keys",
    general_model=r"gemini-\d+(\.\d+)?-flash",
)
