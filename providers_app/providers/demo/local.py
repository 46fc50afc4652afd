"""What answers the scheme ``demo://``."""

from providers_app.providers.demo.responder import Responder

LOCAL = Responder()
