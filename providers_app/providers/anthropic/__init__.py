"""Anthropic: the Messages API with a key or a login."""

from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo, SettingField

PROVIDER = ProviderInfo(
    slug="anthropic",
    name="Anthropic",
    monogram="An",
    description="Claude models over the Messages API.",
    also_called=("claude",),
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT | {"count_tokens"}),
    key_hint="sk-ant-...",
    key_url="https://console.anthropic.com/settings/keys",
    general_model=r"claude-sonnet-\d+(-\d{1,2})?",
    settings=(
        SettingField(
            name="api_version",
            label="API version",
            help="Sent as anthropic-version: which revision of the API is spoken.",
            placeholder="2023-06-01",
            pattern=r"\d{4}-\d{2}-\d{2}",
            problem="A version of the API is a date, such as 2023-06-01.",
            advanced=True,
        ),
        SettingField(
            name="beta",
            label="Beta features",
            help="Comma-separated names for anthropic-beta.",
            pattern=r"[A-Za-z0-9_.-]+(\s*,\s*[A-Za-z0-9_.-]+)*",
            problem="Beta features are names with commas between them.",
            advanced=True,
        ),
    ),
)
