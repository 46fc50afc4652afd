"""The Messages API of Anthropic."""

from providers_app.dialects.anthropic_messages.dialect import AnthropicMessages
from providers_app.dialects.anthropic_messages.request import RequestForm

DIALECT = AnthropicMessages()

__all__ = ["DIALECT", "AnthropicMessages", "RequestForm"]
