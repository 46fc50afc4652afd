"""OpenRouter: many vendors' models behind one key, over Chat Completions."""

from functools import partial

from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo, SettingField

_option = partial(SettingField, advanced=True)
_providers = partial(
    _option,
    pattern=r"[a-z0-9][a-z0-9/._-]*(\s*,\s*[a-z0-9][a-z0-9/._-]*)*",
    problem="Providers are their short names with commas between them, such as anthropic, google-vertex.",
)
_SETTINGS = (
    _option(
        name="app_title",
        label="Application",
        help="The name in the X-OpenRouter-Title header.",
        placeholder="Maestro",
        pattern=r"[ -~]{1,100}",
        problem="A name is at most 100 characters that a header can carry.",
    ),
    _option(
        name="app_url",
        label="Application's address",
        help="The HTTP-Referer header, by which OpenRouter counts applications.",
        placeholder="https://maestro.example",
        pattern=r"https?://[!-~]+",
        problem="An address begins with https:// or http://.",
    ),
    _providers(
        name="provider_order",
        label="Providers in order",
        help="Which providers are tried first.",
        placeholder="anthropic, google-vertex",
    ),
    _providers(name="provider_only", label="No other providers", help="Requests go to these providers or fail."),
    _option(
        name="data_collection",
        label="Data collection",
        help="deny: only providers that keep nothing of what they are sent.",
        choices=("allow", "deny"),
        placeholder="As the account says",
    ),
    _option(
        name="allow_fallbacks",
        label="Fallbacks",
        help="Whether another provider answers when the first ones cannot.",
        choices=("true", "false"),
        placeholder="As OpenRouter does",
    ),
)

PROVIDER = ProviderInfo(
    slug="openrouter",
    name="OpenRouter",
    monogram="Or",
    description="Models of many vendors behind one account, over Chat Completions.",
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT),
    key_hint="sk-or-v1-...",
    key_url="https://openrouter.ai/settings/keys",
    general_model=r"anthropic/claude-sonnet-\d+(\.\d+)?",
    settings=_SETTINGS,
)
