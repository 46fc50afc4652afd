"""The ASGI application: one door for four kinds of scope.

lifespan  -> maestro_site.lifespan
http /v1  -> gateway_app (a plain ASGI function, when it is there)
http      -> Django
websocket -> origin check -> browser session -> context_app
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402 - these need Django's apps
from channels.routing import URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from context_app.consumers import websocket_urlpatterns  # noqa: E402
from maestro_site import lifespan  # noqa: E402

websocket_application = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Dispatch by the kind of scope."""
    match scope["type"]:
        case "lifespan":
            await lifespan.serve(scope, receive, send)
        case "websocket":
            await websocket_application(scope, receive, send)
        case _:
            await django_application(scope, receive, send)
