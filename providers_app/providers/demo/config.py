"""Settings of the demo provider."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Speed of the demo models; a model name with a knob (``demo-d20``) overrides it."""

    model_config = ConfigDict(frozen=True)

    first_delay_ms: float = Field(default=250.0, ge=0, le=60_000, description="Milliseconds before the first word.")
    word_delay_ms: float = Field(default=20.0, ge=0, le=60_000, description="Milliseconds between two words.")
    slow_delay_ms: float = Field(
        default=300.0, ge=0, le=60_000, description="Milliseconds between two words of demo-slow."
    )
    retry_after_s: int = Field(
        default=3, ge=0, le=3600, description="Seconds in the Retry-After of the rate-limited demo models."
    )
