"""Keeps the list of signed-in browsers current."""

from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from maestro_site.accounts import browsers


class BrowserSessionMiddleware(MiddlewareMixin):
    """Record each signed-in browser, for sync and async servers."""

    def process_request(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            browsers.note(request)
