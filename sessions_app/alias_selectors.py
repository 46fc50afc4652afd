"""Queries for aliases. Every one starts at an owner; a route whose session was deleted is left out."""

from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet

from providers_app.errors import UnknownAlias
from sessions_app.limit_models import OF_OWNER
from sessions_app.models import Alias, AliasRoute, AuthSession, Pk
from sessions_app.names import parse_reference

CANDIDATES_SHOWN = 8


def owned(owner_id: Pk) -> "QuerySet[Alias]":
    """Return the aliases of one person with their routes, in order, by name."""
    routes = AliasRoute.objects.filter(session__deleted_at__isnull=True).select_related("session")
    routes = routes.defer("session__sealed_credential")
    return Alias.objects.filter(owner_id=owner_id).prefetch_related(Prefetch("routes", routes)).order_by("name")


def find(owner_id: Pk, ref: str) -> Alias:
    """Return the alias that an id or a name stands for, with ``OF_OWNER``.

    Raises ``UnknownAlias`` with the owner's candidates.
    """
    reference = parse_reference(ref)
    rows = owned(owner_id)
    named = rows.annotate(**OF_OWNER)
    found = (named.filter(pk=reference.id) if reference.id else named.filter(name__iexact=reference.name)).first()
    if found is not None:
        return found
    near = list(rows.values_list("name", flat=True)[: CANDIDATES_SHOWN + 1])
    shown = ", ".join(near[:CANDIDATES_SHOWN]) + (" and more" if len(near) > CANDIDATES_SHOWN else "")
    hint = f"Yours are: {shown}." if near else "Create one on the page Aliases or with `manage.py aliases create`."
    raise UnknownAlias(f"There is no alias '{ref[:80]}'.", hint=hint)


def get(owner_id: Pk, alias_id: UUID) -> Alias:
    """Return one alias. Raises ``UnknownAlias`` for a foreign or missing one alike."""
    return find(owner_id, str(alias_id))


def using(session: AuthSession) -> list[str]:
    """Return the names of the aliases that have a route by this session."""
    return sorted(set(AliasRoute.objects.filter(session=session).values_list("alias__name", flat=True)))


def loss_words(names: list[str]) -> str:
    """Return the sentence that says which aliases lost a route by the deletion of a session; empty for none."""
    if not names:
        return ""
    lost = "alias has one route" if len(names) == 1 else "aliases have a route"
    return f"{'The' if len(names) == 1 else 'These'} {lost} less: {', '.join(names)}."


def page() -> str:
    """Return the address of the page of aliases, with the host where ``public_url`` names it."""
    return f"{settings.MAESTRO.public_url.rstrip('/')}/settings/aliases/"
