"""The Generative Language API is used with keys."""

from providers_app.behaviours.unsupported import Unsupported

BEHAVIOUR = Unsupported("Maestro signs in to Gemini with an API key; use one from Google AI Studio.")
