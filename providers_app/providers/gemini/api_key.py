"""Keys of Gemini go into ``x-goog-api-key``."""

from providers_app.behaviours.keys import HeaderKey
from providers_app.dialects.gemini_generate import DIALECT
from providers_app.providers.gemini.requests import get

BEHAVIOUR = HeaderKey(
    header="x-goog-api-key",
    foreign={"sk-ant-": "Anthropic", "sk-or-": "OpenRouter", "sk-": "OpenAI"},
    probe=lambda credential: get("/models?pageSize=1", credential),
    dialect=DIALECT,
)
