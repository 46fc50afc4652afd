"""Keys of a resource go into the header ``api-key``. They have no prefix: 32 hexadecimal digits, or 84 characters."""

from providers_app.behaviours.keys import HeaderKey
from providers_app.providers.azure_openai.requests import get
from providers_app.providers.azure_openai.streaming import CHAT

BEHAVIOUR = HeaderKey(
    header="api-key",
    foreign={"sk-ant-": "Anthropic", "sk-or-": "OpenRouter", "sk-": "OpenAI", "AIza": "Google"},
    probe=lambda credential: get("/models", credential),
    dialect=CHAT,
    request_id_header="apim-request-id",
)
