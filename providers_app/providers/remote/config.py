"""Settings of compatible servers.

How one server wants its requests may also be set on its session, by the same name; what is empty here is as the kind of
server takes it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from providers_app.providers.remote.servers import AUTO, SERVERS
from providers_app.setting_types import DefaultModel, IdleTimeout
from providers_app.text import nearest

Switch = Literal["", "true", "false"]


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__REMOTE__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(default="", description="Address for sessions that have none of their own, with /v1.")
    server: str = Field(
        default=AUTO, description="The kind of server, for sessions that choose none; auto: by its address."
    )
    max_tokens_field: Literal["", "max_tokens", "max_completion_tokens"] = Field(
        default="", description="The name under which the server takes the limit of the answer."
    )
    system_role: Literal["", "system", "developer"] = Field(
        default="", description="The role that the server knows for instructions."
    )
    system_everywhere: Switch = Field(default="", description="Move all instructions to the front.")
    include_usage: Switch = Field(default="", description="Ask for token counts in streams (stream_options).")
    reasoning_field: Literal["", "reasoning_effort", "reasoning"] = Field(
        default="", description="The name under which the server takes the reasoning effort."
    )
    reasoning_replay: Literal["", "none", "details", "content", "reasoning"] = Field(
        default="",
        description="How earlier reasoning is sent back: not at all, as reasoning_details, or as text in "
        "reasoning_content or reasoning.",
    )
    think_tags: Literal["", "off", "tags", "opened"] = Field(
        default="", description="Reasoning lies between <think> tags in the text (opened: the first tag is missing)."
    )
    structured: Literal["", "json_schema", "json_object"] = Field(
        default="", description="What the server takes for structured output: the schema, or the wish for JSON."
    )
    tool_ids: Literal["", "any", "nine"] = Field(
        default="", description="Tool call ids: any short text, or exactly nine letters and digits."
    )
    named_tool_choice: Switch = Field(default="", description="The server can be told which tool to call.")
    image_urls: Switch = Field(default="", description="The server fetches pictures from their address.")
    unsupported: str = Field(
        default="", description="Comma-separated request fields that the server refuses; they are never sent."
    )
    default_model: DefaultModel = ""
    idle_timeout_s: IdleTimeout = None

    @field_validator("include_usage", "system_everywhere", "named_tool_choice", "image_urls", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        """``True`` and ``False`` of Python mean the words."""
        return str(value).lower() if isinstance(value, bool | str) else value

    @field_validator("server")
    @classmethod
    def _known_server(cls, value: str) -> str:
        if value not in (AUTO, *SERVERS):
            raise ValueError(f"there is no kind of server {value!r}. {nearest(value, (AUTO, *SERVERS))}")
        return value
