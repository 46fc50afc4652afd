"""What is done to a whole chat: rename, pin, put away, delete, bring back."""

import json
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from context_app.access import context_or_404, owner
from context_app.forms import TitleForm
from context_app.models import Context
from context_app.services import contexts


@login_required
@require_POST
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Store the title; answers with the header's title, or the form with what is wrong."""
    context = context_or_404(request, pk)
    form = TitleForm(request.POST)
    if not form.is_valid():
        return render(request, "chats/_title.html", {"context": context, "title_form": form}, status=422)
    contexts.rename(context=context, title=form.cleaned_data["title"])
    response = render(request, "chats/_title.html", {"context": context})
    return _refresh(response)


@login_required
@require_POST
def pin(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Pin the chat, or release it when it is pinned."""
    context = context_or_404(request, pk)
    contexts.set_pinned(context=context, pinned=not context.pinned)
    return _refresh(render(request, "chats/_header_menu.html", {"context": context}))


@login_required
@require_POST
def archive(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Put the chat away, or take it back when it was."""
    context = context_or_404(request, pk)
    contexts.set_archived(context=context, archived=context.archived_at is None)
    words = "Chat archived" if context.archived_at else "Chat is back in the list"
    undo = reverse("chats:archive", args=[pk])
    return _refresh(render(request, "chats/_header_menu.html", {"context": context}), message=words, undo=undo)


@login_required
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete the chat; the toast takes it back."""
    context = context_or_404(request, pk)
    contexts.delete(context=context)
    if not request.headers.get("HX-Request"):
        return redirect("chats:list")
    response = _refresh(HttpResponse(status=200), message="Chat deleted", undo=reverse("chats:restore", args=[pk]))
    # The page of a deleted chat is left without a reload, so that the toast with its Undo stays.
    response["HX-Reswap"] = "none"
    return response


@login_required
@require_POST
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Bring a deleted chat back."""
    context = Context.objects.filter(owner=owner(request), pk=pk).first()
    if context is None:
        raise Http404("There is no such chat.")
    contexts.restore(context=context)
    if not request.headers.get("HX-Request"):
        return redirect("chats:detail", pk=pk)
    response = HttpResponse(status=200)
    response["HX-Redirect"] = reverse("chats:detail", args=[pk])
    return response


def _refresh(response: HttpResponse, *, message: str = "", undo: str = "") -> HttpResponse:
    """Tell the page that its chat list is out of date, and what to say about it."""
    events: dict[str, object] = {"chats-changed": True}
    if message:
        events["toast"] = {"message": message, "undo": undo}
    response["HX-Trigger"] = json.dumps(events)
    return response
