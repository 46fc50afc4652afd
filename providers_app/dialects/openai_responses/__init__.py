"""The Responses API: OpenAI's primary format."""

from providers_app.dialects.openai_responses.dialect import OpenAIResponses

DIALECT = OpenAIResponses()

__all__ = ["DIALECT", "OpenAIResponses"]
