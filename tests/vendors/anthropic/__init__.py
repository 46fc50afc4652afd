"""The Anthropic Messages API, reached with a key."""

from tests.vendors.anthropic.vendor import VALID_KEY, AnthropicVendor

__all__ = ["VALID_KEY", "AnthropicVendor"]
