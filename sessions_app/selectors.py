"""Queries for sessions. Every one starts at an owner; a row whose deletion can still be undone is left out.

The stored status is what is known for certain. Pages show ``state``, which adds what follows from the clock and the
last evidence (expiring, expired, limited, unreachable). It is computed in the database, so that filters, counts and
pills never disagree.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from providers_app import conf as providers_conf
from providers_app.errors import AmbiguousSession, AuthenticationFailed, UnknownSession
from providers_app.ports import SYSTEM, Owner
from providers_app.types.session_limits import NO_OWN_LIMITS, PersonLimits
from sessions_app.limit_models import OF_OWNER
from sessions_app.models import AuthSession, Notice, PersonLimit, Pk, SessionEvent
from sessions_app.names import parse_reference

CANDIDATES_SHOWN = 8

# Which chip of the list a state belongs to. A chip without members is not drawn, `all` and `active` always are.
# A session about which a Notice is open needs attention whatever its state is (`with_group`): badge, Home, list and
# Notices agree. What Maestro retries by itself (a network failure, a refresh that fails for now) needs no one to act.
GROUPS: dict[str, tuple[str, ...]] = {
    "active": ("active",),
    "expiring": ("expiring", "failing", "unknown", "retrying"),
    "limited": ("limited", "unreachable"),
    "attention": ("needs_reauth", "forbidden", "misconfigured", "expired", "refused"),
    "disabled": ("disabled",),
}
# The last error that says: the provider was not there at all.
UNREACHABLE_CODES = ("connection_failed", "upstream_timeout")
OVERDUE_S = 300.0  # a due refresh is done within one run of the schedule or two. Later than this, nothing does it.


def visible() -> "QuerySet[AuthSession]":
    """Return the sessions of all owners that are not deleted; only for the admin and for Maestro itself."""
    return AuthSession.objects.filter(deleted_at__isnull=True)


def owned(owner_id: Pk) -> "QuerySet[AuthSession]":
    """Return the sessions of one person. The sealed column is not loaded."""
    return visible().filter(owner_id=owner_id).defer("sealed_credential")


def of_owner(owner: Owner) -> "QuerySet[AuthSession]":
    """Return the sessions of one person, those of all for ``SYSTEM``, with the sealed column."""
    return visible() if owner is SYSTEM else visible().filter(owner_id=cast(Pk, owner))


def page_of(session_id: UUID | str) -> str:
    """Return the address of a session's page, with the host where ``public_url`` names it.

    It is spelled out, since looking it up would load every page's code into commands.
    """
    return f"{settings.MAESTRO.public_url.rstrip('/')}/sessions/{session_id}/"


def id_of(session_id: UUID | str) -> UUID:
    """Parse the id of a session. Raises ``UnknownSession`` for text that is none."""
    try:
        return session_id if isinstance(session_id, UUID) else UUID(str(session_id))
    except ValueError:
        raise UnknownSession("There is no such session.") from None


def one(rows: "QuerySet[AuthSession]") -> AuthSession:
    """Return the first row. Raises ``UnknownSession`` when there is none."""
    if (row := rows.first()) is None:
        raise UnknownSession("There is no such session.")
    return row


def with_state(sessions: "QuerySet[AuthSession]", now: datetime | None = None) -> "QuerySet[AuthSession]":
    """Annotate the rows with ``state``: the stored status, or what the clock and the last evidence make of it.

    A login that refreshes itself in time is not expiring; one whose refresh fails, is late or unknown is not active.
    """
    now = now or timezone.now()
    soon = now + timedelta(seconds=settings.MAESTRO.sessions.expiring_within_s)
    failing = ~Q(refresh_error_code="")
    overdue = now - timedelta(seconds=OVERDUE_S + settings.MAESTRO.sessions.refresh_every_s)
    # While a refresh is under way its intent is open too, and that is nothing to tell.
    settled = now - timedelta(seconds=providers_conf.current().refresh_lease_s)
    others = (value for value in AuthSession.Status.values if value != AuthSession.Status.ACTIVE)
    doubtful = Q(intent_at__lte=settled) | failing
    return sessions.annotate(
        state=Case(
            *(When(status=value, then=Value(value)) for value in others),
            When(failing, expires_at__lte=now, next_refresh_at__gt=overdue, read_only_reason="",
                 then=Value("retrying")),
            When(expires_at__lte=now, then=Value("expired")),
            When(auth_type="oauth", last_error_code=AuthenticationFailed.code, then=Value("refused")),
            When(doubtful, intent_generation=F("generation"), then=Value("unknown")),
            When(failing, next_refresh_at__isnull=False, then=Value("failing")),
            When(next_refresh_at__lte=overdue, then=Value("failing")),
            When(limited_until__gt=now, then=Value("limited")),
            When(last_error_code__in=UNREACHABLE_CODES, then=Value("unreachable")),
            When(Q(next_refresh_at__isnull=True) | Q(next_refresh_at__gte=F("expires_at")), expires_at__lte=soon,
                 then=Value("expiring")),
            default=Value("active"),
            output_field=CharField(),
        )
    )  # fmt: skip


def with_group(sessions: "QuerySet[AuthSession]") -> "QuerySet[AuthSession]":
    """Annotate rows that were read ``with_state`` with ``group``, the one of ``GROUPS`` that each belongs to."""
    told = Notice.objects.filter(session=OuterRef("pk"), resolved_at__isnull=True)
    by_state = (When(state__in=states, then=Value(group)) for group, states in GROUPS.items())
    return sessions.annotate(
        group=Case(When(Exists(told), then=Value("attention")), *by_state, output_field=CharField())
    )


def get(owner_id: Pk, session_id: UUID | str) -> AuthSession:
    """Return one session with its ``state``. Raises ``UnknownSession`` for a foreign, deleted or missing one alike."""
    return one(with_state(owned(owner_id)).filter(pk=id_of(session_id)))


def find(owner: Owner, provider: str | None, ref: str, auth_type: str | None = None) -> AuthSession:
    """Return the session of ``ref``, with its sealed column and ``OF_OWNER``.

    Raises ``UnknownSession``, ``AmbiguousSession``.
    """
    reference = parse_reference(ref)
    kind = auth_type or reference.auth_type
    rows = of_owner(owner)
    if reference.auth_type and auth_type and reference.auth_type != auth_type:
        raise _unknown(rows, provider, ref)
    named = rows.filter(pk=reference.id) if reference.id else rows.filter(name__iexact=reference.name)
    named = _narrowed(named, provider=provider, auth_type=kind)
    found = list(named.annotate(**OF_OWNER)[: CANDIDATES_SHOWN + 1])
    if len(found) == 1:
        return found[0]
    if not found:
        raise _unknown(rows, provider, ref)
    if owner is SYSTEM:
        raise AmbiguousSession("Several people have a session of that name.", hint="Name it by its id.")
    what = f"Several sessions are called '{reference.name}': {_listed(found)}."
    raise AmbiguousSession(what, hint="Name the provider and the auth type, or use the session's id.")


def counts(owner_id: Pk, sessions: "QuerySet[AuthSession] | None" = None) -> dict[str, int]:
    """Return the number of sessions in each group of ``GROUPS``, and in ``all``; one query."""
    rows = with_group(with_state(owned(owner_id) if sessions is None else sessions))
    found: dict[str, int] = dict(rows.order_by().values_list(F("group")).annotate(n=Count("pk")))
    return {"all": sum(found.values()), **{group: found.get(group, 0) for group in GROUPS}}


def in_group(sessions: "QuerySet[AuthSession]", group: str) -> "QuerySet[AuthSession]":
    """Return those of the sessions, read ``with_state``, that belong to a group of ``GROUPS``; ``all`` keeps all."""
    return sessions if group == "all" else with_group(sessions).filter(Q(("group", group)))


def attention_count(owner_id: Pk) -> int:
    """Return how many sessions need attention: their state says so, or a Notice about them is open."""
    return in_group(with_state(owned(owner_id)), "attention").count()


def filtered(owner_id: Pk, *, query: str = "", provider: str = "", auth_type: str = "") -> "QuerySet[AuthSession]":
    """Return one person's sessions, filtered; ``query`` is searched in name, provider and account."""
    rows = owned(owner_id)
    if query:
        rows = rows.filter(Q(name__icontains=query) | Q(provider__icontains=query) | Q(account_label__icontains=query))
    return _narrowed(rows, provider=provider, auth_type=auth_type).order_by("provider", "name", "auth_type")


def providers_in_use(owner_id: Pk) -> list[str]:
    """Return the providers that one person has sessions of, sorted."""
    return sorted(owned(owner_id).order_by().values_list("provider", flat=True).distinct())


def events(session: AuthSession, actions: Collection[str] = ()) -> "QuerySet[SessionEvent]":
    """Return a session's audit trail, newest first; only these actions, where some are given."""
    rows = SessionEvent.objects.filter(session=session).select_related("actor")
    return rows.filter(action__in=actions) if actions else rows


def actions_of(session: AuthSession) -> list[str]:
    """Return the actions that occur in a session's audit trail, sorted."""
    rows = SessionEvent.objects.filter(session=session).order_by("action")
    return list(rows.values_list("action", flat=True).distinct())


def own_limits(owner_id: Pk) -> PersonLimits:
    """Return the limits a minute that one person has of their own."""
    rows = PersonLimit.objects.filter(owner_id=owner_id).values("requests_per_minute", "tokens_per_minute")
    found = rows.first()
    return PersonLimits(**found) if found else NO_OWN_LIMITS


def sole_owner() -> int | str | None:
    """Return the only active user of the installation, else ``None``."""
    found = list(get_user_model().objects.filter(is_active=True).order_by().values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None


def _narrowed(rows: "QuerySet[AuthSession]", **values: str | None) -> "QuerySet[AuthSession]":
    return rows.filter(**{column: value for column, value in values.items() if value})


def _unknown(rows: "QuerySet[AuthSession]", provider: str | None, ref: str) -> UnknownSession:
    rows = _narrowed(rows, provider=provider).order_by("-last_used_at", "name")
    near = list(rows[: CANDIDATES_SHOWN + 1])
    connect = "Connect one on the Sessions page or with `manage.py sessions create`."
    what = f"There is no session '{ref[:80]}'{f' of {provider}' if provider else ''}."
    return UnknownSession(what, hint=f"Yours are: {_listed(near)}." if near else connect)


def _listed(sessions: list[AuthSession]) -> str:
    shown = ", ".join(str(session) for session in sessions[:CANDIDATES_SHOWN])
    return f"{shown} and more" if len(sessions) > CANDIDATES_SHOWN else shown
