"""Refuse a WebSocket to pages of other sites, by the rule that Django applies to forms.

Browsers send cookies with every handshake, whatever page begins it, and cookies are the same for all ports of a host.
The ``Origin`` header must therefore equal scheme, host and port of the request, or be a trusted origin.
"""

from io import BytesIO
from typing import Any

from channels.security.websocket import WebsocketDenier
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware


class SameOrigin:
    """Refuse the handshake of a page of another origin, and of a client that names none."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        application = self._application if allowed(scope) else WebsocketDenier()
        await application(scope, receive, send)


def allowed(scope: dict[str, Any]) -> bool:
    """Return whether the ``Origin`` of this handshake is the site's own, or a trusted one."""
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    request = ASGIRequest({**scope, "method": "GET", "scheme": scheme}, BytesIO())
    if "HTTP_ORIGIN" not in request.META:
        return False
    rule = CsrfViewMiddleware(lambda _: HttpResponse())
    return bool(rule._origin_verified(request))  # type: ignore[attr-defined]  # Django gives it no public name
