"""Any server that speaks Chat Completions: vLLM, Ollama, llama.cpp, LM Studio, a hosted gateway, another Maestro."""

from providers_app.providers.remote.options import SETTINGS
from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="remote",
    name="OpenAI-compatible server",
    monogram="Re",
    description="Any address that speaks Chat Completions: vLLM, Ollama, llama.cpp, Groq, another Maestro.",
    auth_types=("api_key", "none"),
    capabilities=Capabilities(names=CHAT),
    base_url_required=True,
    settings=SETTINGS,
)
