"""OpenAI: the Responses API with a key, or with a ChatGPT login."""

from providers_app.types.catalogue import CHAT, Capabilities, ProviderInfo, SettingField


def _header(name: str, placeholder: str, sent_as: str) -> SettingField:
    return SettingField(
        name=name,
        label=name.title(),
        help=f"Sent as {sent_as}",
        placeholder=placeholder,
        pattern=r"[A-Za-z0-9_.-]+",
        problem="It is one word of letters, digits, -, _ and ., as the settings of your account show it.",
        advanced=True,
        auth_types=("api_key",),
    )


PROVIDER = ProviderInfo(
    slug="openai",
    name="OpenAI",
    monogram="Oa",
    description="GPT models over the Responses API.",
    also_called=("chatgpt",),
    imitated=True,
    auth_types=("api_key", "oauth"),
    capabilities=Capabilities(names=CHAT | {"count_tokens"}),
    key_hint="sk-...",
    key_url="https://platform.openai.com/api-keys",
    general_model=r"gpt-\d+(\.\d+)?",
    models_in_order=True,
    # A login belongs to one account; only a key can belong to several organizations and projects.
    settings=(
        _header("organization", "org-...", "OpenAI-Organization: whose bill it is, for a key that belongs to several."),
        _header("project", "proj_...", "OpenAI-Project: which project's limits and bill count."),
    ),
)
