"""generateContent: the native format of Gemini and Vertex AI."""

from providers_app.dialects.gemini_generate.dialect import GeminiGenerate
from providers_app.dialects.gemini_generate.request import RequestForm

DIALECT = GeminiGenerate()

__all__ = ["DIALECT", "GeminiGenerate", "RequestForm"]
