"""The Gemini API (generativelanguage), reached with a key."""

from tests.vendors.gemini.vendor import VALID_KEY, GeminiVendor

__all__ = ["VALID_KEY", "GeminiVendor"]
