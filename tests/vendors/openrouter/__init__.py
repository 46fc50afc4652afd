"""OpenRouter: its sign-in, which gives a key, and Chat Completions with that key."""

from tests.vendors.openrouter.vendor import VALID_KEY, OpenRouterVendor

__all__ = ["VALID_KEY", "OpenRouterVendor"]
