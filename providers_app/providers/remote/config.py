"""Settings of compatible servers.

How one server wants its requests may also be set on its session, by the same name.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from providers_app.setting_types import DefaultModel, IdleTimeout


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__REMOTE__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(default="", description="Address for sessions that have none of their own, with /v1.")
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="The name under which the server takes the limit of the answer."
    )
    system_role: Literal["system", "developer"] = Field(
        default="system", description="The role that the server knows for instructions."
    )
    include_usage: bool = Field(default=True, description="Ask for token counts in streams (stream_options).")
    reasoning_replay: Literal["none", "details", "content"] = Field(
        default="none", description="How earlier reasoning is sent back: not at all, as reasoning_details, as text."
    )
    think_tags: Literal["off", "tags", "opened"] = Field(
        default="off", description="Reasoning lies between <think> tags in the text (opened: the first tag is missing)."
    )
    unsupported: str = Field(
        default="", description="Comma-separated request fields that the server refuses; they are never sent."
    )
    default_model: DefaultModel = ""
    idle_timeout_s: IdleTimeout = None
