"""The ``SessionStore`` that the provider core is given: its questions, asked on the pool, one hop each."""

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from providers_app import loop
from providers_app.errors import InvalidRequest, OwnerRequired
from providers_app.ports import SYSTEM, Owner, Session
from providers_app.text import quoted
from providers_app.types.catalogue import AuthType
from providers_app.types.credentials import Credential
from providers_app.types.session_limits import NO_OWN_LIMITS, PersonLimits, limits_of
from sessions_app import selectors
from sessions_app.credentials import open_credential
from sessions_app.limit_models import limits_of_owner
from sessions_app.models import AuthSession
from sessions_app.services import connect, lifecycle, outcomes
from sessions_app.session_cache import session_cache
from sessions_app.stores.outcome_queue import OutcomeQueue
from sessions_app.stores.pool import behind, call, in_store, on_pool


class DjangoSessionStore:
    """Sessions in Django's database. Every method may be awaited on any loop."""

    def owner_key(self, given: str) -> int | str:
        """Return the primary key of a user in its own type. Raises ``OwnerRequired``."""
        try:
            found: int | str = get_user_model()._meta.pk.to_python(given)
        except ValidationError:
            what = f"{quoted(given)} is not the primary key of a user."
            raise OwnerRequired(what, hint="Pass a user, or the primary key of one.") from None
        return found

    @on_pool
    def sole_owner(self) -> int | str | None:
        """Return the only active user of the installation, else ``None``."""
        return selectors.sole_owner()

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        """Return the session and its opened credential, from the cache where it was found a moment ago.

        A cached one counts only when its generation is above ``after``. A disabled session is found as well: its
        ``status`` says so. Raises ``UnknownSession``, ``AmbiguousSession``, ``NotConfigured``, ``StoreUnavailable``.
        """
        key, version = (owner, provider, ref, auth_type), session_cache.version
        found = session_cache.get(key)
        if found is None or found[0].generation <= after:
            found = await in_store(_lookup, owner, provider, ref, auth_type)
            session_cache.put(key, found, version)
        return found

    @on_pool
    def create(self, owner: Owner, provider: str, auth_type: AuthType, name: str, credential: Credential) -> Session:
        """Store a new session. Raises as ``connect.create``; ``InvalidRequest`` for ``SYSTEM``, which owns nothing."""
        if owner is SYSTEM or not isinstance(owner, int | str):
            raise InvalidRequest("A session needs a person as its owner.", hint="Pass owner=.")
        row = connect.create(
            owner_id=owner,
            provider=provider,
            auth_type=auth_type,
            name=name,
            secret=credential.secret,
            base_url=credential.base_url or "",
            settings=credential.settings,
            actor_id=owner,
        )
        return as_session(row)

    @on_pool
    def delete(self, owner: Owner, session_id: str) -> None:
        """Destroy the session at once. Raises ``UnknownSession``."""
        rows = selectors.of_owner(owner).defer("sealed_credential")
        row = selectors.one(rows.filter(pk=selectors.id_of(session_id)))
        lifecycle.delete(row, actor_id=None if owner is SYSTEM else owner)

    def report_outcome(self, session: Session, error: Exception | None) -> None:
        """Queue the outcome of a use; see ``outcome_queue``."""
        outcome_queue.add(session, error)

    @on_pool
    def record_test(self, session: Session, error: Exception | None) -> None:
        """Write the outcome of a test. Raises ``StoreUnavailable``."""
        outcomes.record(session.id, error, tested=True, generation=session.generation)


def as_session(row: AuthSession, own: PersonLimits = NO_OWN_LIMITS) -> Session:
    """Return the row as the provider core sees it, without its secret. ``own`` are the limits of its owner."""
    return Session(
        id=str(row.pk),
        owner=row.owner_id,
        provider=row.provider,
        auth_type=row.auth_type,  # type: ignore[arg-type]
        name=row.name,
        status=row.status,
        status_reason=row.status_reason,
        base_url=row.base_url or None,
        generation=row.generation,
        expires_at=row.expires_at.timestamp() if row.expires_at else None,
        flow=row.flow,
        account=row.account_id,
        last_used_at=row.last_used_at.timestamp() if row.last_used_at else None,
        troubled=bool(row.last_error_code or row.limited_until),
        page=selectors.page_of(row.pk),
        limits=limits_of(row.options),
        own=own,
    )


outcome_queue = OutcomeQueue(lambda batch: call(outcomes.record_all, batch), behind)  # the one of this process
loop.at_end(outcome_queue.drain)


def _lookup(owner: Owner, provider: str | None, ref: str, auth_type: str | None) -> tuple[Session, Credential]:
    row = selectors.find(owner, provider, ref, auth_type)
    return as_session(row, limits_of_owner(row)), open_credential(row)
