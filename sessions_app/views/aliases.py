"""The page of aliases: create one, change its routes one step at a time, rename and delete it."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from providers_app.errors import InvalidRoute, ProviderError, UnknownAlias, UnknownSession
from sessions_app import alias_selectors, providers, selectors
from sessions_app.forms import NameForm, errors_in
from sessions_app.models import Alias, AuthSession, Pk
from sessions_app.presenters.status import describe
from sessions_app.services import aliases
from sessions_app.views.access import add_message, signed_in, text_of


class AliasForm(NameForm):
    """A new alias with its first route."""

    session = forms.ChoiceField(label="Session", required=False)
    model = forms.CharField(
        label="Model", required=False, max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "Model id"}),
    )  # fmt: skip

    def __init__(self, owner_id: Pk, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner_id = owner_id
        self.fields["session"].choices = _choices(owner_id)  # type: ignore[attr-defined]

    def routes(self) -> aliases.Routes:
        """Return the route that was chosen, if any. Raises ``InvalidRoute``, ``UnknownSession``."""
        return _route(self.owner_id, self.cleaned_data["session"], self.cleaned_data["model"])


def with_alias(
    view: Callable[[HttpRequest, Alias], HttpResponseBase],
) -> Callable[[HttpRequest, UUID], HttpResponseBase]:
    """Give a view one alias of the signed-in person; another person's does not exist (404)."""

    @never_cache
    @require_POST
    @signed_in
    @wraps(view)
    def wrapper(request: HttpRequest, pk: UUID) -> HttpResponseBase:
        try:
            return view(request, alias_selectors.get(request.user.pk, pk))
        except UnknownAlias as error:
            raise Http404(error.message) from error

    return wrapper


@never_cache
@signed_in
@require_safe
def alias_list(request: HttpRequest) -> HttpResponse:
    """Show the aliases with their routes."""
    return _page(request, AliasForm(request.user.pk))


@never_cache
@signed_in
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Create an alias; one that is refused is shown again with the reason."""
    form = AliasForm(request.user.pk, request.POST)
    if form.is_valid():
        with errors_in(form):
            owner = request.user.pk
            alias = aliases.create(owner, form.cleaned_data["name"], form.routes(), actor_id=owner)
            messages.success(request, f"The alias {alias.name} is created.")
            return redirect("aliases:list")
    return _page(request, form, status=422)


@with_alias
def change(request: HttpRequest, alias: Alias) -> HttpResponse:
    """Change the name and whether it is sticky."""
    given = {"name": request.POST.get("name", ""), "sticky": request.POST.get("sticky") == "on"}
    return _changed(request, alias, lambda: given, "The alias {name} is saved.")


@with_alias
def add_route(request: HttpRequest, alias: Alias) -> HttpResponse:
    """Add a route at the end."""

    def given() -> dict[str, Any]:
        added = _route(alias.owner_id, request.POST.get("session", ""), request.POST.get("model", ""))
        if not added:
            raise InvalidRoute("Choose a session and a model for the route.")
        return {"routes": [*_routes(alias), *added]}

    return _changed(request, alias, given, "The route is added to {name}.")


@with_alias
def move_route(request: HttpRequest, alias: Alias) -> HttpResponse:
    """Move the route ``route`` one place up or down (``to``), or remove it."""
    routes, to = list(alias.routes.all()), request.POST.get("to", "")
    at = next((at for at, route in enumerate(routes) if str(route.pk) == request.POST.get("route", "")), None)
    if at is not None and to == "remove":
        del routes[at]
    elif at is not None and 0 <= (other := at + (1 if to == "down" else -1)) < len(routes):
        routes[at], routes[other] = routes[other], routes[at]
    after = [(route.session, route.model) for route in routes]
    done = "The route is removed from {name}." if to == "remove" else "The order of {name} is saved."
    return _changed(request, alias, lambda: {"routes": after}, done)


@with_alias
def delete(request: HttpRequest, alias: Alias) -> HttpResponse:
    """Delete the alias; the page has asked before."""
    aliases.delete(alias, actor_id=request.user.pk)
    messages.success(request, f"The alias {alias.name} is deleted. Its sessions are unchanged.")
    return redirect("aliases:list")


def _changed(request: HttpRequest, alias: Alias, given: Callable[[], dict[str, Any]], done: str) -> HttpResponse:
    try:
        aliases.change(alias, **given(), actor_id=request.user.pk)
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
    else:
        messages.success(request, done.format(name=alias.name))
    return redirect(f"{reverse('aliases:list')}#alias-{alias.pk}")


def _routes(alias: Alias) -> list[tuple[AuthSession, str]]:
    return [(route.session, route.model) for route in alias.routes.all()]


def _route(owner_id: Pk, session: str, model: str) -> aliases.Routes:
    if not session and not model.strip():
        return []
    if not session or not model.strip():
        raise InvalidRoute("A route needs a session and a model.", hint="Choose both.")
    try:
        return [(selectors.get(owner_id, session), model.strip())]
    except UnknownSession:
        raise InvalidRoute("That session does not exist any more.", hint="Choose another one.") from None


def _choices(owner_id: Pk) -> list[tuple[str, str]]:
    found = selectors.owned(owner_id).order_by("provider", "name")
    return [("", "Choose a session"), *((str(one.pk), f"{one.name} ({one.provider})") for one in found)]


def _page(request: HttpRequest, form: AliasForm, status: int = 200) -> HttpResponse:
    owner = request.user.pk
    found, choices = list(alias_selectors.owned(owner)), _choices(owner)
    ids = {route.session_id for alias in found for route in alias.routes.all()}
    states = {one.pk: describe(one) for one in selectors.with_state(selectors.owned(owner).filter(pk__in=ids))}
    rows = [
        {
            "alias": alias,
            "routes": [
                {
                    "route": one,
                    "status": states.get(one.session_id),
                    "monogram": providers.monogram(one.session.provider),
                }
                for one in alias.routes.all()
            ],
        }
        for alias in found
    ]
    context = {"rows": rows, "form": form, "choices": choices, "any_session": len(choices) > 1}
    return render(request, "settings/aliases.html", context, status=status)
