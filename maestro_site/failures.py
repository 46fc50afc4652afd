"""The page of an error inside Maestro, and of a database that does not answer in time."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

RETRY_S = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 with ``Retry-After`` where the database is locked or away: that is over soon, and nobody's bug."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        response = HttpResponse(render_to_string("503.html"), status=503)
        response["Retry-After"] = str(RETRY_S)
        return response
    return HttpResponse(render_to_string("500.html"), status=500)
