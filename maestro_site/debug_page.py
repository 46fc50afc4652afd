"""Django's page of an error with ``MAESTRO_DEBUG``, without what a person typed and without cookies."""

import json
import re
from collections.abc import ItemsView, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

from django.http import HttpRequest
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from maestro_site.logs import mask_addresses

SHORTEST = 6
"""Characters of the shortest value that is masked everywhere on the page: shorter ones are parts of ordinary words."""


class Filter(SafeExceptionReporterFilter):
    """Hide every form field, cookie and local variable; Django shows all of them while ``DEBUG`` is on."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|REDIS_URL|^hosts$|QUERY_STRING|REFERER", re.I
    )

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, str]:
        """Return the names of the fields, each with stars."""
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request is not None else {}

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, str]:
        """Return the names of the cookies, each with stars."""
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> ItemsView[str, Any]:
        """Return none: a secret may be in any of them, in any form."""
        return {}.items()


class Reporter(ExceptionReporter):
    """Mask what came with the request wherever it is on the page, such as in the error's message."""

    def get_traceback_data(self) -> dict[str, Any]:
        """Return what the page shows, the parameters of the address by name only."""
        found: dict[str, Any] = super().get_traceback_data()
        names = self.request.GET if self.request is not None else {}
        found["request_GET_items"] = dict.fromkeys(names, self.filter.cleansed_substitute).items()
        found["request_insecure_uri"] = str(found.get("request_insecure_uri", "")).partition("?")[0]
        return found

    def get_traceback_html(self) -> SafeString:
        """Return the page."""
        return self._clean(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        """Return the page as text."""
        return self._clean(super().get_traceback_text())

    def _clean(self, page: str) -> SafeString:
        forms = {form for value in set(_values(self.request)) for form in _forms(value) if len(value) >= SHORTEST}
        for form in sorted(forms, key=len, reverse=True):
            page = page.replace(form, self.filter.cleansed_substitute)
        return SafeString(mask_addresses(page))


def _values(request: HttpRequest | None) -> Iterator[str]:
    """Yield each text that came with the request, and those inside JSON."""
    if request is None:
        return
    yield from request.COOKIES.values()
    for _, values in (*request.GET.lists(), *request.POST.lists()):
        for value in values:
            yield from _parts(value)
    with suppress(Exception):  # the body may be cut short, or read as a stream before
        yield from _parts(request.body.decode())


def _parts(value: str) -> Iterator[str]:
    """Yield a text, its lines, and the texts of the JSON that it is."""
    yield value
    yield from value.splitlines()
    try:
        found = [json.loads(value)]
    except (ValueError, RecursionError):
        return
    while found:
        item = found.pop()
        if isinstance(item, str):
            yield item
            yield from item.splitlines()
        elif isinstance(item, dict | list):
            found += item.values() if isinstance(item, dict) else item


def _forms(value: str) -> set[str]:
    """Return how a value may stand on the page: as it is, as part of an address, and as Python or JSON writes it."""
    written = {
        value,
        value.strip(),
        quote(value, safe=""),
        quote_plus(value),
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
    }
    return {form for one in written for form in (one, str(escape(one))) if len(form) >= SHORTEST}
