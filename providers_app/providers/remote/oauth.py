"""Compatible servers have no common sign-in."""

from providers_app.behaviours.protocols import Unsupported

BEHAVIOUR = Unsupported("OpenAI-compatible servers share no way to sign in; they take a key or nothing.")
