"""The pages of one session: its state, its models, its audit trail; rename, another key, address or options."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from providers_app import conf, loop, provider
from providers_app.behaviours import addresses
from providers_app.errors import ProviderError
from providers_app.listing import models as catalogue
from providers_app.listing.search import MAX_TEXT, SORTS, ModelQuery, search
from providers_app.types.catalogue import Capabilities, ModelListing, ProviderInfo
from providers_app.types.session_limits import NAMES
from sessions_app import providers, selectors
from sessions_app.credentials import as_time, has_secret, without_stored_secret
from sessions_app.forms import AddressForm, KeyForm, NameForm, OptionsForm, errors_in
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows
from sessions_app.services import connect, lifecycle, notices, outcomes
from sessions_app.services import options as option_service
from sessions_app.views.access import (
    add_advice,
    add_message,
    allow_asked,
    card_context,
    row_context,
    text_of,
    toast,
    with_session,
)

MODELS_SHOWN = 100
STAGES = {"current": ("active", "preview"), "ending": ("deprecated", "retired")}  # by choice of the lifecycle filter
SORT_WORDS = {"window": "largest window", "price": "lowest price", "newest": "newest", "output": "longest output"}
FILTERS = ("q", "can", "stage", "sort")
TRAIL_PER_PAGE = 50
FORMULA = {"=", "+", "-", "@", "\t", "\r"}
SHOWN_IN_CARD = 12  # lines of the trail on the session's page


@require_safe
@with_session
def detail(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Show the page, and mark the session's Notices as seen."""
    told = list(session.notices.filter(resolved_at__isnull=True, seen_at__isnull=True).values_list("pk", flat=True))
    if told:
        notices.see(session.owner_id, told)
    return _page(request, session)


@require_safe
@with_session
def status(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Show the status card alone."""
    return render(request, "sessions/_status.html", card_context(session))


@require_http_methods(["GET", "HEAD", "POST"])
@with_session
def rename(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Rename: in place in a row of the list, or on the session's page."""
    in_row = bool(request.htmx) and "row" in (request.GET.get("part"), request.POST.get("part"))  # type: ignore[attr-defined]
    if request.method != "POST":
        if not in_row:
            return redirect("sessions:detail", pk=session.pk)
        if request.GET.get("cancel"):
            return render(request, "sessions/_row.html", row_context(session))
        form = NameForm(initial={"name": session.name}, auto_id=f"id_{session.pk}_%s")
        return render(request, "sessions/_row.html", row_context(session) | {"name_form": form})
    form = NameForm(request.POST, auto_id=f"id_{session.pk}_%s" if in_row else "id_%s")
    if form.is_valid():
        with errors_in(form):
            before = session.name
            lifecycle.rename(session, form.cleaned_data["name"], actor_id=request.user.pk)
            if in_row:
                response = render(request, "sessions/_row.html", row_context(session))
                return toast(response, f"{before} is now {session.name}.") if before != session.name else response
            messages.success(request, f"Renamed to {session.name}.")
            return redirect("sessions:detail", pk=session.pk)
    if in_row:
        context = row_context(session) | {"name_form": form}
        return render(request, "sessions/_row.html", context, status=422)
    return _page(request, selectors.get(request.user.pk, session.pk), name_form=form)


@sensitive_post_parameters("key")
@require_POST
@with_session
def key(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Replace the key, then test it. The new key is stored even when it is refused: the old one is no better."""
    form = KeyForm(request.POST)
    if form.is_valid():
        with errors_in(form):
            connect.replace_key(session, form.cleaned_data["key"], actor_id=request.user.pk)
            add_advice(request, session)
            _test(request, session, "The key is replaced, and it works.", "The key is replaced, but its test failed")
            return redirect("sessions:detail", pk=session.pk)
    return _page(request, session, key_form=form)


@require_POST
@with_session
def address(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Change the base URL; the stored key goes with the old one. The address of a sign-in is its provider's."""
    allow_asked(request)
    if session.auth_type == AuthSession.AuthType.OAUTH:
        raise Http404("The address of a sign-in cannot be changed.")
    form = AddressForm(request.POST)
    if form.is_valid():
        with errors_in(form):
            changed = connect.change_base_url(session, form.cleaned_data["base_url"], actor_id=request.user.pk)
            add_advice(request, session)
            if changed and session.auth_type == AuthSession.AuthType.API_KEY:
                messages.warning(request, "The address is changed and the stored key is gone. Give the key again.")
            else:
                messages.success(request, "The address is changed." if changed else "That is the address already.")
            return redirect("sessions:detail", pk=session.pk)
    return _page(request, session, address_form=form)


@require_POST
@with_session
def options(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Change the options, and test the login unless only limits changed. The key stays: no option moves the address."""
    card = providers.info(session.provider)
    form = OptionsForm(request.POST, card=card, auth_type=session.auth_type, limits=True)
    if form.is_valid():
        with errors_in(form):
            changed = option_service.change(session, form.given_options(), actor_id=request.user.pk, whole=True)
            enabled = session.status != AuthSession.Status.DISABLED
            if NAMES.issuperset(changed):  # limits say nothing of the login
                messages.success(request, "The limits are saved." if changed else "Those are the options already.")
            elif enabled and (session.auth_type == AuthSession.AuthType.NONE or has_secret(session)):
                works = "The options are saved, and the session works with them."
                _test(request, session, works, "The options are saved, but the test with them failed")
            else:
                messages.success(request, "The options are saved.")
            return redirect("sessions:detail", pk=session.pk)
    return _page(request, session, options_form=form)


@require_safe
@with_session
def trail(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Show the page; htmx gets the card alone."""
    htmx = request.htmx  # type: ignore[attr-defined]
    if htmx and not htmx.history_restore_request:
        return render(request, "sessions/_trail.html", {"session": session, "events": _card_events(session)})
    actions = selectors.actions_of(session)
    chosen = request.GET.get("action", "")
    chosen = chosen if chosen in actions else ""
    rows = selectors.events(session, [chosen] if chosen else ())
    page = Paginator(rows, TRAIL_PER_PAGE).get_page(request.GET.get("page"))
    context = row_context(session) | {"actions": actions, "action": chosen, "page_obj": page}
    return render(request, "sessions/trail.html", context)


@require_safe
@with_session
def trail_csv(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Return every line, or those of one action, as CSV, oldest last."""
    chosen = request.GET.get("action", "")
    rows = selectors.events(session, [chosen] if chosen else ())
    response = HttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{session.name}-trail.csv"'
    return response


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
        **_filter_choices(),
    }
    template = "sessions/_models.html" if request.htmx else "sessions/models.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _test(request: HttpRequest, session: AuthSession, works: str, fails: str) -> None:
    """Test the session as it is stored now, and leave a message: ``works``, or ``fails`` with the reason."""
    result = outcomes.test(selectors.get(request.user.pk, session.pk), owner_id=request.user.pk)
    if result.error:
        add_message(request, messages.WARNING, f"{fails}: {text_of(result.error)}", error=result.error)
    else:
        messages.success(request, works)


def _page(request: HttpRequest, session: AuthSession, **refused: Any) -> HttpResponse:
    """Show the page, with the form that was refused (422), by its name in the context."""
    context = card_context(session)
    info = context["provider"]
    takes_key = session.auth_type == AuthSession.AuthType.API_KEY and info
    initial = OptionsForm.initial_of(session.options)
    options_form = OptionsForm(initial=initial, card=info, auth_type=session.auth_type, limits=True)
    context |= {
        "name_form": NameForm(initial={"name": session.name}),
        "options_form": options_form if options_form.declared else None,
        "capabilities": sorted(info.capabilities.names) if info else [],
        **_filter_choices(),
        "events": _card_events(session),
        **refused,
        "key_form": (refused.get("key_form") or KeyForm()) if takes_key else None,
        "address_form": _address_form(session, info, refused.get("address_form")),
    }
    return render(request, "sessions/detail.html", context, status=422 if refused else 200)


def _address_form(session: AuthSession, info: ProviderInfo | None, bound: AddressForm | None) -> AddressForm | None:
    """Return the form of the base URL, for a provider whose address can be changed."""
    oauth = session.auth_type == AuthSession.AuthType.OAUTH
    if oauth or info is None or not (info.base_url_editable or info.base_url_required):
        return None
    form = bound or AddressForm(initial={"base_url": session.base_url})
    form.fields["base_url"].required = addresses.required(info)
    return form


def _filter_choices() -> dict[str, Any]:
    """Return the choices of the filters above the table."""
    return {"can_choices": list(model_rows.WORDS.items()), "sort_choices": list(SORT_WORDS.items())}


def _card_events(session: AuthSession) -> Any:
    return selectors.events(session)[:SHOWN_IN_CARD]


def _lines(rows: Any) -> Iterator[str]:
    # A file for the writer that hands each line back.
    echo: Any = SimpleNamespace(write=str)
    writer = csv.writer(echo)
    yield writer.writerow(("at", "action", "detail", "by", "session"))
    for event in rows.iterator(chunk_size=500):
        by = event.actor.get_username() if event.actor else "Maestro"
        cells = (event.at.isoformat(timespec="seconds"), event.action, event.detail, by, event.session_label)
        # A cell that a spreadsheet would take for a formula is quoted.
        yield writer.writerow([f"'{cell}" if cell[:1] in FORMULA else cell for cell in cells])
