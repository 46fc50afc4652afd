"""Settings of Anthropic."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__ANTHROPIC__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(default="https://api.anthropic.com", description="Address of the API, without /v1.")
    api_version: str = Field(
        default="2023-06-01", description="The anthropic-version header: which revision of the API is spoken."
    )
    beta: str = Field(default="", description="Comma-separated names for the anthropic-beta header; empty sends none.")
    default_model: str = Field(default="", description="The model that is asked when a call names none.")
    idle_timeout_s: float | None = Field(
        default=None, gt=0, description="Seconds of silence after which a stream is given up; empty: the common value."
    )
