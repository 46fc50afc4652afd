"""Actions on one session: test, refresh, revoke, disable, enable, delete, undo. Each is a POST; htmx is optional."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from providers_app.errors import DuplicateSession, ProviderError, RefreshFailed, UnknownSession, UnsupportedOperation
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle, outcomes
from sessions_app.services import refresh as refreshes
from sessions_app.views.access import add_message, answer, signed_in, text_of, toast, with_session


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
    lifecycle.trash(session, actor_id=request.user.pk)
    if request.htmx and request.POST.get("part") == "row":  # type: ignore[attr-defined]
        response = trigger_client_event(HttpResponse(), "sessions-reload", {})
        return toast(response, f"{session.name} deleted", undo=reverse("sessions:restore", args=[session.pk]))
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
