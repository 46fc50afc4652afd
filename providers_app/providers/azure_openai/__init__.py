"""Azure OpenAI: the deployments of a resource, with a key, an application of Entra, or the machine's identity."""

from providers_app.providers.azure_openai.options import SETTINGS
from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="azure_openai",
    name="Azure OpenAI",
    monogram="Az",
    telemetry_name="azure.ai.openai",
    description="The deployments of your own resource at Azure, over Chat Completions or Responses.",
    also_called=("azure",),
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT),
    key_hint="32 or 84 letters and digits",
    key_url="https://portal.azure.com/#view/Microsoft_Azure_ProjectOxford/CognitiveServicesHub/~/OpenAI",
    base_url_required=True,
    models_in_order=True,
    settings=SETTINGS,
    address_options=(("api-version", "api_version"),),
)
