"""Keys of OpenAI are bearer tokens."""

from providers_app.behaviours.keys import HeaderKey
from providers_app.dialects.openai_responses import DIALECT
from providers_app.providers.openai.requests import get

BEHAVIOUR = HeaderKey(
    header="authorization",
    scheme="Bearer ",
    prefixes=("sk-",),
    foreign={"sk-ant-": "Anthropic", "sk-or-": "OpenRouter", "AIza": "Google"},
    probe=lambda credential: get("/models", credential),
    dialect=DIALECT,
    counts=True,
    label_header="openai-organization",
)
