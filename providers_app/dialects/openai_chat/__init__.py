"""Chat Completions: OpenAI's older format, spoken by nearly every other server."""

from providers_app.dialects.openai_chat.dialect import OpenAIChat
from providers_app.dialects.openai_chat.request import RequestForm

DIALECT = OpenAIChat()

__all__ = ["DIALECT", "OpenAIChat", "RequestForm"]
