"""Sign-in with Entra comes with its flows."""

from providers_app.behaviours.unsupported import Unsupported

BEHAVIOUR = Unsupported("Azure OpenAI is used with a key here.")
