"""Keys of Anthropic go into ``x-api-key``."""

from providers_app.behaviours.keys import HeaderKey
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.providers.anthropic.requests import get

BEHAVIOUR = HeaderKey(
    header="x-api-key",
    prefixes=("sk-ant-",),
    foreign={"sk-or-": "OpenRouter", "sk-proj-": "OpenAI", "AIza": "Google"},
    probe=lambda credential: get("/v1/models?limit=1", credential),
    dialect=DIALECT,
    label_header="anthropic-organization-id",
    request_id_header="request-id",
)
