"""Settings of the demo provider."""

from pydantic import BaseModel, ConfigDict

from providers_app.setting_types import setting


class Config(BaseModel):
    """Speed of the demo models; a model name with a knob (``demo-d20``) overrides it."""

    model_config = ConfigDict(frozen=True)

    first_delay_ms: float = setting(250.0, "Milliseconds before the first word.", ge=0, le=60_000)
    word_delay_ms: float = setting(20.0, "Milliseconds between two words.", ge=0, le=60_000)
    slow_delay_ms: float = setting(300.0, "Milliseconds between two words of demo-slow.", ge=0, le=60_000)
    retry_after_s: int = setting(3, "Seconds in the Retry-After of the rate-limited demo models.", ge=0, le=3600)
