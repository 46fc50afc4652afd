"""Aliases: create, change, delete. Reads are in ``sessions_app.alias_selectors``."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.db import IntegrityError, transaction

from providers_app.advice import values
from providers_app.errors import DuplicateAlias, InvalidRequest, InvalidRoute, ProviderError, UnknownAlias
from providers_app.text import quoted
from sessions_app import selectors
from sessions_app.models import Alias, AliasRoute, AuthSession, Pk
from sessions_app.names import require_no_session, validate_name
from sessions_app.services import trail
from sessions_app.session_cache import forget_sessions

MAX_ALIASES, MAX_ROUTES = 200, 20

Routes = Sequence[tuple[AuthSession, str]]


def parse_routes(owner_id: Pk, given: Iterable[str]) -> Routes:
    """Return the routes that texts of the form ``SESSION/MODEL`` name; a model may have slashes of its own.

    Raises ``InvalidRoute``, and as ``selectors.find``.
    """
    found = []
    for text in given:
        ref, slash, model = text.strip().partition("/")
        if not slash or not ref.strip() or not model.strip():
            raise InvalidRoute(f"{quoted(text)} is no route.", hint="Give it as SESSION/MODEL.")
        found.append((selectors.find(owner_id, None, ref), model.strip()))
    return found


def create(owner_id: Pk, name: str, routes: Routes = (), *, sticky: bool = True, actor_id: Pk | None = None) -> Alias:
    """Store an alias. Raises ``InvalidName``, ``DuplicateAlias``, ``InvalidRoute``, ``InvalidRequest`` (limit)."""
    name, checked = validate_name(name, "alias"), check_routes(owner_id, routes)
    with _free(name):
        require_no_session(owner_id, name)
        if Alias.objects.filter(owner_id=owner_id).count() >= MAX_ALIASES:
            raise InvalidRequest(f"You have {MAX_ALIASES} aliases, which is the limit.", hint="Delete one first.")
        alias = Alias.objects.create(owner_id=owner_id, name=name, sticky=sticky)
        _store(alias, checked)
        trail.note_alias(name, owner_id, trail.ALIAS_CREATED, _words(checked), actor_id=actor_id)
    return alias


def change(
    alias: Alias,
    *,
    name: str | None = None,
    routes: Routes | None = None,
    sticky: bool | None = None,
    actor_id: Pk | None = None,
) -> bool:
    """Change what is given; return whether anything is another now. Raises as ``create``, and ``UnknownAlias``."""
    wanted = alias.name if name is None else validate_name(name, "alias")
    checked = None if routes is None else check_routes(alias.owner_id, routes)
    with _free(wanted):
        row = Alias.objects.select_for_update().filter(pk=alias.pk).first()
        if row is None:
            raise UnknownAlias(f"The alias '{alias.name}' was deleted meanwhile.")
        said = []
        if wanted != row.name:
            require_no_session(row.owner_id, wanted)
            said.append(f"was {row.name}")
        if sticky is not None and sticky != row.sticky:
            said.append("sticky" if sticky else "not sticky")
        before = [(route.session_id, route.model) for route in row.routes.all()]
        if checked is not None and [(session.pk, model) for session, model in checked] != before:
            _store(row, checked)
            said.append(_words(checked))
        row.name, row.sticky = wanted, row.sticky if sticky is None else sticky
        row.save()
        if said:
            trail.note_alias(wanted, row.owner_id, trail.ALIAS_CHANGED, "; ".join(said), actor_id=actor_id)
    alias.name, alias.sticky = row.name, row.sticky
    return bool(said)


def delete(alias: Alias, *, actor_id: Pk | None = None) -> None:
    """Delete an alias; its sessions stay. Raises ``UnknownAlias``."""
    with transaction.atomic():
        if not Alias.objects.filter(pk=alias.pk).delete()[0]:
            raise UnknownAlias(f"The alias '{alias.name}' was deleted meanwhile.")
        forget_sessions()
        trail.note_alias(alias.name, alias.owner_id, trail.ALIAS_DELETED, actor_id=actor_id)


def require_free(owner_id: Pk, name: str, *, but: UUID | None = None) -> None:
    """Raise ``DuplicateAlias`` when the name is taken; a check for a form, ``create`` and ``change`` decide."""
    others = Alias.objects.filter(owner_id=owner_id, name__iexact=name)
    if (others if but is None else others.exclude(pk=but)).exists():
        raise _duplicate(name)
    with transaction.atomic():
        require_no_session(owner_id, name)


def check_routes(owner_id: Pk, routes: Routes) -> Routes:
    """Return the routes with their models as they are sent. Raises ``InvalidRoute``."""
    if len(routes) > MAX_ROUTES:
        raise InvalidRoute(f"An alias has at most {MAX_ROUTES} routes.", hint="Leave some out.")
    seen = set()
    found = []
    for session, model in routes:
        if session.owner_id != owner_id:
            raise InvalidRoute("A route is a session of your own.", hint="Choose one of your sessions.")
        try:
            name = values.checked_model(model)
        except ProviderError as error:
            raise InvalidRoute(error.message) from None
        if (session.pk, name) in seen:
            raise InvalidRoute(f"{session.name}/{name} is in the alias twice.", hint="Leave one of them out.")
        seen.add((session.pk, name))
        found.append((session, name))
    return found


def _store(alias: Alias, routes: Routes) -> None:
    alias.routes.all().delete()
    AliasRoute.objects.bulk_create(
        AliasRoute(alias=alias, session=session, model=model, position=number)
        for number, (session, model) in enumerate(routes)
    )


def _words(routes: Routes) -> str:
    return ", ".join(f"{session.name}/{model}" for session, model in routes) or "no routes"


@contextmanager
def _free(name: str) -> Iterator[None]:
    """Run the block in a transaction. Raises ``DuplicateAlias`` when another alias has the name by then."""
    try:
        with transaction.atomic():
            yield
            forget_sessions()
    except IntegrityError:
        raise _duplicate(name) from None


def _duplicate(name: str) -> DuplicateAlias:
    return DuplicateAlias(f"You already have an alias called '{name}'.")
