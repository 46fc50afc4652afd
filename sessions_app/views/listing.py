"""The table of sessions, and the actions on one: test, refresh, revoke, disable, enable, delete, undo.

Each action is a POST; htmx is optional.
"""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from providers_app.errors import DuplicateSession, ProviderError, RefreshFailed, UnknownSession, UnsupportedOperation
from sessions_app import alias_selectors, selectors
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle, notices, outcomes
from sessions_app.services import refresh as refreshes
from sessions_app.views.access import add_message, answer, row_context, signed_in, text_of, toast, with_session

PER_PAGE = 50
LONGEST = {"q": 100, "provider": 40, "auth_type": 16}  # characters of each filter that are read
CHIPS = {
    "all": "All", "active": "Active", "expiring": "Expiring", "limited": "Limited", "attention": "Needs attention",
    "disabled": "Disabled",
}  # fmt: skip


@never_cache
@signed_in
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """List the person's sessions, filtered; htmx gets the results alone, or only the chips with their counts."""
    lifecycle.purge_deleted()
    htmx = request.htmx  # type: ignore[attr-defined]
    if htmx and not htmx.history_restore_request:
        template = "sessions/_chips.html" if htmx.target == "session-chips" else "sessions/_results.html"
        return render(request, template, _results(request))
    context = _results(request) | {
        "deleted": _just_deleted(request),
        "open_notices": notices.open_notices(request.user.pk).count(),
    }
    return render(request, "sessions/list.html", context)


def _results(request: HttpRequest) -> dict[str, Any]:
    owner_id = request.user.pk
    # Without NUL, which a database refuses to search for.
    typed = {name: request.GET.get(name, "").replace("\x00", "").strip() for name in LONGEST}
    chosen = {name: text[: LONGEST[name]] for name, text in typed.items()}
    rows = selectors.filtered(owner_id, query=chosen["q"], provider=chosen["provider"], auth_type=chosen["auth_type"])
    counts = selectors.counts(owner_id, rows)
    group = request.GET.get("status", "all")
    group = group if group in counts else "all"
    shown = selectors.in_group(selectors.with_state(rows), group)
    page = Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))
    kept = {name: value for name, value in chosen.items() if value}
    return {
        **chosen,
        "group": group,
        "chips": [
            (slug, label, counts[slug], urlencode(kept | ({"status": slug} if slug != "all" else {})))
            for slug, label in CHIPS.items()
            if counts[slug] or slug in {"all", "active", group}
        ],
        "page_obj": page,
        "rows": [row_context(session) for session in page],
        "total": counts["all"],
        "filtering": bool(kept) or group != "all",
        "providers": selectors.providers_in_use(owner_id),
        "auth_types": AuthSession.AuthType.choices,
    }


def _just_deleted(request: HttpRequest) -> AuthSession | None:
    """Return the session whose deletion led here, while it can still be undone."""
    with suppress(ValueError):
        return lifecycle.restorable(request.user.pk, UUID(request.GET.get("deleted", "")))
    return None


@require_POST
@with_session
def test(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Ask the provider whether the login works."""
    result = outcomes.test(session, owner_id=request.user.pk)
    if result.error:
        return answer(request, session.pk, f"{session.name}: {text_of(result.error)}", error=result.error)
    account = result.account
    seen = f" and sees {account.models} models" if account and account.models else ""
    return answer(request, session.pk, f"{session.name} works{seen}.")


@require_POST
@with_session
def refresh(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Refresh the login now, or say why that is not done."""
    report = refreshes.refresh_now(session, actor_id=request.user.pk)
    if report.done in ("refreshed", "waited"):
        return answer(request, session.pk, f"{session.name} is refreshed.")
    if report.done in ("skipped", "kept"):
        return answer(request, session.pk, f"{session.name} was not refreshed: {report.why.rstrip('.')}.")
    failure = RefreshFailed(f"{session.name} could not be refreshed: {report.why}")
    return answer(request, session.pk, failure.message, error=failure)


@require_POST
@with_session
def revoke(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """End the login at its provider; then it is switched off here and its secrets are destroyed."""
    try:
        revoked = lifecycle.revoke(session)
    except UnknownSession:
        raise
    except ProviderError as error:
        text = f"{session.name} was not revoked, and nothing was changed: {text_of(error)}"
        return answer(request, session.pk, text, error=error)
    if revoked:
        return answer(request, session.pk, f"{session.name} is revoked at the provider and switched off here.")
    impossible = UnsupportedOperation(
        f"The provider has no way to revoke {session.name} from here; nothing was changed.",
        hint="End it on the provider's own page, then delete the session.",
    )
    return answer(request, session.pk, text_of(impossible), error=impossible)


@require_POST
@with_session
def disable(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Switch the session off."""
    lifecycle.disable(session, actor_id=request.user.pk)
    undo = reverse("sessions:enable", args=[session.pk])
    return answer(request, session.pk, f"{session.name} is disabled.", undo=undo)


@require_POST
@with_session
def enable(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Switch the session on again."""
    lifecycle.enable(session, actor_id=request.user.pk)
    if not request.POST.get("part") and request.htmx:  # type: ignore[attr-defined]
        # Undo of a toast: nothing on the page asked for a part of itself.
        response = trigger_client_event(HttpResponse(status=204), "sessions-reload", {})
        return toast(response, f"{session.name} is enabled.")
    return answer(request, session.pk, f"{session.name} is enabled.")


@require_POST
@with_session
def delete(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Delete with an undo window. The row goes at once; the detail page leads back to the list."""
    used = alias_selectors.using(session)
    lifecycle.trash(session, actor_id=request.user.pk)
    said = alias_selectors.loss_words(used)
    if request.htmx and request.POST.get("part") == "row":  # type: ignore[attr-defined]
        response = trigger_client_event(HttpResponse(), "sessions-reload", {})
        undo = reverse("sessions:restore", args=[session.pk])
        return toast(response, f"{session.name} deleted. {said}".strip(" ."), undo=undo)
    if said:
        messages.warning(request, said)
    target = f"{reverse('sessions:list')}?deleted={session.pk}"
    return HttpResponseClientRedirect(target) if request.htmx else redirect(target)  # type: ignore[attr-defined]


@require_POST
@signed_in
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take a deletion back."""
    htmx = request.htmx  # type: ignore[attr-defined]
    try:
        session = lifecycle.restore(request.user.pk, pk, actor_id=request.user.pk)
    except (UnknownSession, DuplicateSession) as error:
        if not htmx:
            add_message(request, messages.ERROR, text_of(error), error=error)
            return redirect("sessions:list")
        if isinstance(error, UnknownSession):
            raise Http404(error.message) from error
        return toast(HttpResponse(status=204), text_of(error), error=error)
    if htmx:
        response = trigger_client_event(HttpResponse(status=204), "sessions-reload", {})
        return toast(response, f"{session.name} is back.")
    messages.success(request, f"{session.name} is back.")
    return redirect("sessions:detail", pk=session.pk)
