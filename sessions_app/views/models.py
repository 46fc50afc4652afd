"""The models of a session: searched and filtered, each figure with its source, the list with its age."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from providers_app import conf, loop, provider
from providers_app.errors import ProviderError
from providers_app.listing import models as catalogue
from providers_app.listing.search import MAX_TEXT, SORTS, ModelQuery, search
from providers_app.types.catalogue import Capabilities, ModelListing
from sessions_app import providers
from sessions_app.credentials import as_time, without_stored_secret
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows
from sessions_app.views.access import with_session

MODELS_SHOWN = 100
STAGES = {"current": ("active", "preview"), "ending": ("deprecated", "retired")}  # by choice of the lifecycle filter
SORT_WORDS = {"window": "largest window", "price": "lowest price", "newest": "newest", "output": "longest output"}
FILTERS = ("q", "can", "stage", "sort")


def filter_choices() -> dict[str, Any]:
    """Return the choices of the filters above the table."""
    return {"can_choices": list(model_rows.WORDS.items()), "sort_choices": list(SORT_WORDS.items())}


@require_safe
@with_session
def models(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Show the table: ``q`` searches, ``can`` and ``stage`` filter, ``sort`` sorts, ``refresh=1`` asks the provider."""
    can, sort = request.GET.get("can", ""), request.GET.get("sort", "")
    # Values that the page does not offer are ignored.
    query = ModelQuery(
        text=request.GET.get("q", "").strip()[:MAX_TEXT],
        supports=(can,) if can in model_rows.WORDS else (),
        lifecycle=STAGES.get(request.GET.get("stage", ""), ()),
        sort=sort if sort in SORTS else "",
    )
    refresh = request.GET.get("refresh") == "1"
    asked = provider.model_listing(session.provider, None, str(session.pk), refresh=refresh, owner=request.user.pk)
    try:
        listing = loop.run(asked, conf.current().lookup_timeout_s + 5)
    except ProviderError as failure:  # models that are known already are shown however the provider fails
        listing = ModelListing(error=failure.info())
    except TimeoutError:
        listing = catalogue.timed_out(str(session.pk), session.account_id)
    card = providers.info(session.provider)
    declared = card.capabilities if card is not None else Capabilities()
    found = search(listing.models, query, declared)
    today = datetime.now(UTC).date()
    error = listing.error
    context = {
        "session": session,
        "q": query.text,
        "filtered": bool(query.text or query.supports or query.lifecycle),
        "values": {name: request.GET.get(name, "") for name in FILTERS},
        "listing": listing,
        "fetched": as_time(listing.fetched_at),
        "error": error,
        "error_text": without_stored_secret(f"{error.message} {error.hint or ''}".strip(), session) if error else "",
        "rows": [model_rows.row(model, today) for model in found[:MODELS_SHOWN]],
        "matching": len(found),
        "hidden": max(0, len(found) - MODELS_SHOWN),
        "total": len(listing.models),
        **filter_choices(),
    }
    template = "sessions/_models.html" if request.htmx else "sessions/models.html"  # type: ignore[attr-defined]
    return render(request, template, context)
