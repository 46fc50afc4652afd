"""Settings of OpenAI."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__OPENAI__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(default="https://api.openai.com/v1", description="Address of the API, with /v1.")
    organization: str = Field(default="", description="The OpenAI-Organization header; empty sends none.")
    project: str = Field(default="", description="The OpenAI-Project header; empty sends none.")
    default_model: str = Field(default="", description="The model that is asked when a call names none.")
    idle_timeout_s: float | None = Field(
        default=None, gt=0, description="Seconds of silence after which a stream is given up; empty: the common value."
    )
