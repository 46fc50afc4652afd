"""The demo provider has no keys."""

from providers_app.behaviours.protocols import Unsupported

BEHAVIOUR = Unsupported("The demo provider answers without a key.")
