"""Keeps the list of signed-in browsers current."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse

from maestro_site.accounts import browsers


class BrowserSessionMiddleware:
    """Record each signed-in browser; sync and async, so that it adds no thread hop where the view needs none."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if iscoroutinefunction(self.get_response):
            return self._acall(request)
        self._note(request)
        return self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        await sync_to_async(self._note)(request)
        response: HttpResponse = await self.get_response(request)  # type: ignore[misc]
        return response

    @staticmethod
    def _note(request: HttpRequest) -> None:
        if request.user.is_authenticated:
            browsers.note(request)
