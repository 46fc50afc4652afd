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
_NAMES = r"[A-Za-z_][A-Za-z0-9_]*(\s*,\s*[A-Za-z_][A-Za-z0-9_]*)*"

SERVER = SettingField(
    name="server",
    label="Server",
    help="What answers there: requests are written as that kind of server takes them.",
    placeholder="By its address, as configured",
    choices=(AUTO, *SERVERS),
    choice_labels=("By its address, always", *(server.label for server in SERVERS.values())),
    addresses=("", *(server.base_url for server in SERVERS.values())),
)


def _quirk(name: str, label: str, choices: tuple[str, ...], help_: str, **more: Any) -> SettingField:
    more.setdefault("placeholder", "As the server takes it")
    return SettingField(name=name, label=label, help=help_, choices=choices, advanced=True, **more)


QUIRKS = (
    _quirk(
        "max_tokens_field",
        "Field of the output limit",
        ("max_tokens", "max_completion_tokens"),
        "The name under which the server takes the limit of the answer.",
    ),
    _quirk(
        "system_role",
        "Role of instructions",
        ("system", "developer"),
        "The role that the server knows for instructions.",
    ),
    _quirk(
        "system_everywhere",
        "Instructions in front",
        SWITCH,
        "Move all instructions to the front, which many local templates insist on.",
    ),
    _quirk("include_usage", "Ask for usage", SWITCH, "Ask for token counts in streams (stream_options)."),
    _quirk(
        "reasoning_field",
        "Field of the reasoning effort",
        ("reasoning_effort", "reasoning"),
        "The name under which the server takes the reasoning effort.",
    ),
    _quirk(
        "reasoning_replay",
        "Earlier reasoning",
        ("none", "details", "content", "reasoning"),
        "How earlier reasoning is sent back: not at all, as reasoning_details, or as text in reasoning_content or "
        "reasoning.",
    ),
    _quirk(
        "think_tags",
        "Reasoning in the text",
        ("off", "tags", "opened"),
        "Reasoning lies between <think> tags in the text (opened: the first tag is missing).",
    ),
    _quirk(
        "structured",
        "Structured output",
        ("json_schema", "json_object"),
        "What the server takes for structured output: the schema, or only the wish for JSON (the schema is then put in "
        "words).",
    ),
    _quirk(
        "tool_ids",
        "Tool call ids",
        tuple(IDS),
        "Tool call ids: any short text, or exactly nine letters and digits (Mistral).",
    ),
    _quirk("named_tool_choice", "Forcing one tool", SWITCH, "The server can be told which tool to call."),
    _quirk("image_urls", "Pictures by address", SWITCH, "The server fetches pictures from their address."),
    _quirk(
        "unsupported",
        "Fields never sent",
        (),
        "Comma-separated request fields that the server refuses.",
        placeholder="seed, parallel_tool_calls",
        pattern=_NAMES,
        problem="Fields are names with commas between them, such as seed, parallel_tool_calls.",
    ),
)
SETTINGS = (SERVER, *QUIRKS)


def server_of(credential: Credential | None = None) -> Server:
    """Return the row of the session's server, with what the session, else the configuration, sets otherwise.

    The same values give the very same row: each request asks several times.
    """
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
