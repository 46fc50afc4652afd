"""Vertex AI (aiplatform.googleapis.com): models of Google and of Anthropic, by token or by a key of express mode."""

from tests.vendors.vertex.catalogue import CLAUDE, LISTED, MODELS
from tests.vendors.vertex.vendor import VALID_KEY, VertexVendor

__all__ = ["CLAUDE", "LISTED", "MODELS", "VALID_KEY", "VertexVendor"]
