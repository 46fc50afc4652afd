"""The OpenAI API: Responses, models, input token count."""

from tests.vendors.openai.vendor import VALID_KEY, OpenAIVendor

__all__ = ["VALID_KEY", "OpenAIVendor"]
