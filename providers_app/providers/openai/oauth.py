"""OpenAI accepts keys from other applications."""

from providers_app.behaviours.unsupported import Unsupported

BEHAVIOUR = Unsupported("Maestro signs in to OpenAI with an API key; use one from the OpenAI platform.")
