"""Anthropic accepts keys only from other applications."""

from providers_app.behaviours.unsupported import Unsupported

BEHAVIOUR = Unsupported("Maestro signs in to Anthropic with an API key; use one from the Anthropic console.")
