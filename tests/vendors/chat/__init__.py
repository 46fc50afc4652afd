"""An OpenAI-compatible server with Chat Completions, as the ``remote`` provider meets it."""

from tests.vendors.chat.vendor import VALID_KEY, ChatVendor

__all__ = ["VALID_KEY", "ChatVendor"]
