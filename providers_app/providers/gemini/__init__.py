"""Google Gemini: the Generative Language API with a key, a Google account or a service account."""

from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo, SettingField

PROVIDER = ProviderInfo(
    slug="gemini",
    name="Google Gemini",
    monogram="Ge",
    telemetry_name="gcp.gemini",
    description="Gemini models with a key, your own Google OAuth client or a service account.",
    also_called=("google", "google_ai", "gemini_api"),
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT | {"count_tokens"}),
    key_hint="AIza...",
    key_url="https://aistudio.google.com/apikey",
    general_model=r"gemini-\d+(\.\d+)?-flash",
    settings=(
        SettingField(
            name="api_version",
            label="API version",
            help="The version in the address: v1beta has every feature, v1 the stable ones.",
            choices=("v1beta", "v1", "v1alpha"),
            advanced=True,
        ),
    ),
)
