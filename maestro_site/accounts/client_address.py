"""The network address of a client, also behind proxies, by which wrong passwords are counted."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def of(request: HttpRequest) -> str:
    """Return the address of the client of the outermost trusted proxy; that of the connection where there is none.

    Each proxy adds the address of its own client at the end of ``X-Forwarded-For``. What stands before the entries of
    the trusted ones was written by the client, who may write anything.
    """
    connected: str = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.MAESTRO.trusted_proxies
    named = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if not proxies or len(named) < proxies:
        return connected
    try:
        return str(ipaddress.ip_address(named[-proxies].strip()))
    except ValueError:
        return connected
