"""The options for one session's server: the session's options, else its kind of server, else the configuration.

session's own option ─▶ row of the session's ``server`` ─▶ configured option ─▶ row of the configured server,
or of the one that the address belongs to
"""

from functools import lru_cache
from typing import Any

import msgspec

from providers_app import conf
from providers_app.dialects.tool_forms import NINE_ALPHANUMERICS, OPENAI_IDS
from providers_app.providers.remote.servers import AUTO, GENERIC, SERVERS, SLUG, Server, of_address
from providers_app.types.catalogue import SettingField
from providers_app.types.credentials import Credential

SWITCH = ("true", "false")
IDS = {"any": OPENAI_IDS, "nine": NINE_ALPHANUMERICS}

SERVER = SettingField(
    name="server",
    label="Server",
    help="Which software runs at this address.",
    placeholder="Detect from the address (default)",
    choices=(AUTO, *SERVERS),
    choice_labels=("Always detect", *(server.label for server in SERVERS.values())),
    addresses=("", *(server.base_url for server in SERVERS.values())),
)


def _quirk(
    name: str, label: str, help_: str, *choices: str, placeholder: str = "Server default", **more: Any
) -> SettingField:
    return SettingField(
        name=name, label=label, help=help_, choices=choices, placeholder=placeholder, advanced=True, **more
    )


QUIRKS = (
    _quirk(
        "max_tokens_field", "Output limit field", "Field for the output limit.", "max_tokens", "max_completion_tokens"
    ),
    _quirk("system_role", "System prompt role", "The role of the system prompt.", "system", "developer"),
    _quirk(
        "system_everywhere",
        "System prompt first",
        "Move all system text to the front, as many local templates require.",
        *SWITCH,
    ),
    _quirk("include_usage", "Request usage", "Request token counts in streams (stream_options).", *SWITCH),
    _quirk("reasoning_field", "Reasoning field", "Field for the reasoning effort.", "reasoning_effort", "reasoning"),
    _quirk(
        "reasoning_replay",
        "Earlier reasoning",
        "How earlier reasoning is sent: not, as reasoning_details, or as text in reasoning_content or reasoning.",
        *("none", "details", "content", "reasoning"),
    ),
    _quirk(
        "think_tags",
        "Reasoning in the text",
        "The text contains reasoning between <think> tags (opened: without the first tag).",
        *("off", "tags", "opened"),
    ),
    _quirk(
        "structured",
        "Structured output",
        "What the server accepts: a JSON schema, or JSON only (the schema is then added to the prompt).",
        *("json_schema", "json_object"),
    ),
    _quirk("tool_ids", "Tool call IDs", "Tool call IDs: any short text, or nine letters and digits (Mistral).", *IDS),
    _quirk("named_tool_choice", "Forced tool", "The server accepts a request to call one named tool.", *SWITCH),
    _quirk("image_urls", "Image URLs", "The server fetches images from their URL.", *SWITCH),
    _quirk(
        "unsupported",
        "Fields never sent",
        "Comma-separated request fields that the server refuses.",
        placeholder="seed, parallel_tool_calls",
        pattern=r"[A-Za-z_][A-Za-z0-9_]*(\s*,\s*[A-Za-z_][A-Za-z0-9_]*)*",
        problem="Separate field names with commas, such as seed, parallel_tool_calls.",
    ),
)
SETTINGS = (SERVER, *QUIRKS)


def server_of(credential: Credential | None = None) -> Server:
    """Return the row of the session's server with its options, the very same row for the same values."""
    config = conf.provider(SLUG)
    if credential is None:
        return _resolved(config, config.base_url, ())
    return _resolved(config, credential.base_url or config.base_url, tuple(credential.settings.items()))


@lru_cache(maxsize=1024)
def _resolved(config: Any, base_url: str, settings: tuple[tuple[str, str], ...]) -> Server:
    own = dict(settings)
    chosen = own.get("server", "")
    row = SERVERS.get(chosen)  # ``auto`` and a row of another version name none
    quirks = {field: own.get(field.name) or ("" if row else getattr(config, field.name)) for field in QUIRKS}
    if row is None and chosen != AUTO:
        row = SERVERS.get(config.server)
    row = row or of_address(base_url) or SERVERS[GENERIC]
    # A value of another version, or of an import, that means nothing here is passed over.
    changes = {
        field.name: _read(field.name, value)
        for field, value in quirks.items()
        if value and (not field.choices or value in field.choices)
    }
    think_tags = changes.pop("think_tags", row.think_tags)
    form = {"ids" if name == "tool_ids" else name: value for name, value in changes.items()}
    return msgspec.structs.replace(row, form=msgspec.structs.replace(row.form, **form), think_tags=think_tags)


def _read(name: str, value: str) -> Any:
    if name == "unsupported":
        return frozenset(part.strip() for part in value.split(",") if part.strip())
    if name == "tool_ids":
        return IDS[value]
    return value == "true" if value in SWITCH else value
