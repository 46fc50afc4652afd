"""Settings of Gemini."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__GEMINI__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(
        default="https://generativelanguage.googleapis.com",
        description="Address of the API; the version is added where the address does not end with one.",
    )
    api_version: str = Field(default="v1beta", description="The version in the address: v1beta or v1.")
    default_model: str = Field(default="", description="The model that is asked when a call names none.")
    idle_timeout_s: float | None = Field(
        default=None, gt=0, description="Seconds of silence after which a stream is given up; empty: the common value."
    )
