"""The demo provider has nothing to sign in to."""

from providers_app.behaviours.protocols import Unsupported

BEHAVIOUR = Unsupported("The demo provider answers without a login.")
