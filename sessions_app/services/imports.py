"""Store logins that were read from files: a plan first, then one transaction with a sealed backup for the undo.

Importing twice changes nothing: a login that is stored already is left as it is. A login whose name another one has
gets a free name; the rows of the earlier product have fixed names, so there it is a conflict that only ``replace``
resolves. An import can be taken back until its backup is destroyed.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, count
from typing import Any, Literal
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from providers_app import conf as providers_conf
from providers_app.errors import InvalidRequest, ProviderError
from providers_app.types.advice import Advice
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin
from sessions_app import credentials, selectors
from sessions_app.credentials import oauth_columns
from sessions_app.import_sources.formats import LEGACY
from sessions_app.models import AuthSession, ImportRun, Pk, SessionEvent
from sessions_app.names import MAX_LENGTH, require_no_alias
from sessions_app.services import connect, refresh, trail
from sessions_app.session_cache import forget_sessions
from sessions_app.stores.lanes import lane_of

FIRST_AT_ONCE = 3
BATCH = 500
_READERS: dict[str, Callable[[str], Any]] = {
    "DateTimeField": parse_datetime, "BinaryField": bytes.fromhex, "UUIDField": UUID,
}  # fmt: skip
What = Literal["create", "replace", "unchanged", "conflict", "refused"]


@dataclass(frozen=True, slots=True)
class Line:
    """The result for one login: ``why`` in words for everything but a plain creation; ``row`` is stored."""

    login: ImportedLogin
    what: What
    name: str
    owner_id: Pk = None
    why: str = ""
    row: AuthSession | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes that an import would make; ``digest``, of its logins without secrets, tells two imports apart."""

    kind: str
    source: str
    digest: str
    owner_id: Pk
    lines: list[Line]

    def of(self, *what: What) -> list[Line]:
        """Return the lines of these kinds."""
        return [line for line in self.lines if line.what in what]

    def rows(self, *what: What) -> list[AuthSession]:
        """Return the sessions that the lines of these kinds store."""
        return [line.row for line in self.of(*what) if line.row is not None]


def plan(owner_id: Pk, kind: str, logins: Iterable[ImportedLogin], *, source: str = "", replace: bool = False) -> Plan:
    """Plan what storing these logins would change; nothing is written. ``source`` names the file, for the trail."""
    found = list(logins)
    digest = "\n".join(f"{login.provider} {login.auth_type} {login.name} {login.person}" for login in found)
    people = _people({login.person.casefold() for login in found if login.person})
    stored = _Stored(selectors.visible().filter(owner_id__in={owner_id, *people.values()}))
    owners = (people.get(login.person.casefold(), owner_id) for login in found)
    lines = [_line(login, kind, owner, stored, replace) for login, owner in zip(found, owners, strict=True)]
    return Plan(kind, source[:200], hashlib.sha256(digest.encode()).hexdigest(), owner_id, lines)


def carry_out(made: Plan, *, actor_id: Pk | None = None) -> ImportRun | None:
    """Store a plan in one transaction, its sealed backup first; ``None``: nothing to do. Raises ``InvalidRequest``."""
    lines, new, changed = made.of("create", "replace"), made.rows("create"), made.rows("replace")
    if not lines:
        return None
    rows = made.rows("create", "replace")
    before = list(AuthSession.objects.in_bulk([row.pk for row in changed]).values())
    backup = {
        "generations": {str(row.pk): row.generation for row in rows},
        "created": [str(row.pk) for row in new],
        "replaced": [_columns(row) for row in before],
    }
    run_id = uuid4()
    run = ImportRun(
        id=run_id,
        owner_id=made.owner_id,
        kind=made.kind,
        source=made.source,
        digest=made.digest,
        rows=len(made.lines),
        created=len(new),
        replaced=len(before),
        unchanged=len(made.of("unchanged")),
        **credentials.backup_columns(run_id, json.dumps(backup, default=_plain).encode()),
    )
    for line in lines:
        if line.row is not None and line.login.tokens is not None:
            line.row.lane = lane_of(line.row.provider, line.login.tokens, line.row.pk)
    detail = f"from {made.source}" if made.source else made.kind
    events = [trail.line(row, trail.IMPORTED, detail, actor_id=actor_id) for row in rows]
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            if made.kind != LEGACY and new:  # a table of the earlier product is the operator's to judge
                connect.claim_place(made.owner_id, adding=len(new))
            for owner in {row.owner_id for row in new}:
                require_no_alias(owner, *(row.name for row in new if row.owner_id == owner))
            AuthSession.objects.bulk_create(new, batch_size=200)
            forget_sessions()
            for row in changed:
                _overwrite(row)
            SessionEvent.objects.bulk_create(events, batch_size=BATCH)
    except IntegrityError:
        what = "Sessions with these names appeared while this was imported, so nothing was stored."
        raise InvalidRequest(what, hint="Import again.") from None
    return run


def fetch_first(made: Plan) -> None:
    """Fetch the first tokens of a few imported logins that have none yet; the schedule does the rest."""
    logins = [row for row in made.rows("create", "replace") if row.auth_type == AuthSession.AuthType.OAUTH]
    due = [row for row in logins if row.expires_at is not None and row.expires_at <= timezone.now()]
    for row in due[:FIRST_AT_ONCE]:
        refresh.refresh_now(row, actor_id=row.owner_id)


def roll_back(run: ImportRun, *, force: bool = False, actor_id: Pk | None = None) -> tuple[int, int]:
    """Destroy the sessions that an import made and restore those it replaced, byte for byte; return how many of each.

    Raises ``InvalidRequest`` when it was taken back before, and without ``force`` when a session has a newer login.
    """
    if run.rolled_back_at is not None:
        raise InvalidRequest("This import was taken back already.")
    if not run.key_id:
        raise InvalidRequest("The backup of this import was destroyed, because it is too old to be taken back.")
    backup = json.loads(credentials.open_backup(run))
    created = [UUID(pk) for pk in backup["created"]]
    restored = [_thawed(row) for row in backup["replaced"]]
    imported = {UUID(pk): generation for pk, generation in backup["generations"].items()}
    with transaction.atomic():
        # Held until they are gone: a refresh that ends now must not be destroyed unseen.
        now = AuthSession.objects.select_for_update().only("name", "generation").in_bulk(list(imported))
        moved_on = sorted(row.name for pk, row in now.items() if row.generation != imported[pk])
        if not force and (names := moved_on[:5]):
            what = f"These sessions have another login since the import: {', '.join(names)}."
            raise InvalidRequest(what, hint="Take it back all the same with --force; those logins are lost.")
        done = ImportRun.objects.filter(pk=run.pk, rolled_back_at__isnull=True).update(rolled_back_at=timezone.now())
        if not done:
            raise InvalidRequest("This import was taken back already.")
        rows = list(AuthSession.objects.defer("sealed_credential").in_bulk(created).values())
        events = [trail.line(row, trail.DESTROYED, "import taken back", actor_id=actor_id) for row in rows]
        SessionEvent.objects.bulk_create(events, batch_size=BATCH)
        for start in range(0, len(created), BATCH):
            gone = AuthSession.objects.filter(pk__in=created[start : start + BATCH])
            gone.update(**credentials.DESTROYED)
            gone.delete()
        for row in restored:
            row.save(force_update=True)
    return len(rows), len(restored)


def prune_backups() -> int:
    """Destroy the backups of imports whose undo time is over; return how many."""
    oldest = timezone.now() - timedelta(days=settings.MAESTRO.sessions.import_backups_kept_days)
    return ImportRun.objects.filter(created_at__lt=oldest).exclude(key_id="").update(**credentials.BACKUP_DESTROYED)


def _overwrite(row: AuthSession) -> None:
    """Replace the login that was planned to be replaced, and no newer one. Raises ``InvalidRequest``."""
    values = _columns(row)
    del values["id"]
    if not AuthSession.objects.filter(pk=row.pk, generation=row.generation - 1).update(**values):
        what = f"The session '{row.name}' got another login while this was imported, so nothing was stored."
        raise InvalidRequest(what, hint="Import again.")


class _Stored:
    """The sessions that exist, and those being added."""

    def __init__(self, rows: Iterable[AuthSession]) -> None:
        self.by_name: dict[tuple[Any, ...], AuthSession] = {}
        self.by_secret: dict[tuple[Any, ...], AuthSession] = {}
        self.prints: dict[str, AuthSession] = {}
        for row in rows:
            self.add(row, credentials.open_credential(row).secret)

    def add(self, row: AuthSession, secret: Secret) -> None:
        self.by_name[row.owner_id, row.provider, row.auth_type, row.name.lower()] = row
        self.by_secret[row.owner_id, row.provider, row.auth_type, secret, row.base_url] = row
        if row.token_print:
            self.prints[row.token_print] = row

    def find(self, row: AuthSession, secret: Secret, login: ImportedLogin) -> AuthSession | None:
        """Return the session that holds this very login. Two that cannot sign yet are not equal for that reason."""
        named = self.by_name.get((row.owner_id, row.provider, row.auth_type, login.name.lower()))
        if secret and (same := self.by_secret.get((row.owner_id, row.provider, row.auth_type, secret, row.base_url))):
            return same
        if secret or row.token_print:
            return self.prints.get(row.token_print)
        if named is None or login.tokens is None:
            return named if named and named.base_url == row.base_url else None
        held = credentials.open_tokens(named) if credentials.has_secret(named) else None
        return named if held is not None and held.material == login.tokens.material else None


def _line(login: ImportedLogin, kind: str, owner_id: Pk, stored: _Stored, replace: bool) -> Line:
    if login.problem:
        return Line(login, "refused", login.name, owner_id, login.problem)
    try:
        row, secret = _row(login, owner_id)
    except ProviderError as error:
        return Line(login, "refused", login.name, owner_id, f"{error.message} {error.hint}".strip())
    if (same := stored.find(row, secret, login)) is not None:
        return Line(login, "unchanged", same.name, owner_id, "stored already")
    taken = stored.by_name.get((owner_id, row.provider, row.auth_type, login.name.lower()))
    if taken is not None and kind == LEGACY:
        if not replace:
            why = f"the session '{login.name}' has another login; it is replaced with --replace"
            return Line(login, "conflict", login.name, owner_id, why)
        row.pk = taken.pk
        for column, value in credentials.sealed_columns(row.pk, secret, login.tokens).items():
            setattr(row, column, value)
        row.created_at, row.generation = taken.created_at, taken.generation + 1
        stored.add(row, secret)
        return Line(login, "replace", row.name, owner_id, "had another login", row)
    names = chain([login.name], (f"{login.name[: MAX_LENGTH - 5]}_{number}" for number in count(2)))
    place = (owner_id, row.provider, row.auth_type)
    row.name = next(name for name in names if (*place, name.lower()) not in stored.by_name)
    stored.add(row, secret)
    why = " ".join(filter(None, (login.note, *(advice.message for advice in row.advice))))
    return Line(login, "create", row.name, owner_id, why, row)


def _row(login: ImportedLogin, owner_id: Pk) -> tuple[AuthSession, Secret]:
    """Return the unsaved session of a login, checked as a typed one would be. Raises ``ProviderError``."""
    row_id, now = uuid4(), timezone.now()
    advice: tuple[Advice, ...] = ()
    if login.tokens is None:
        judged = connect.check(login.provider, login.auth_type, login.secret, login.base_url, login.settings)
        secret, columns = judged.secret, {"base_url": judged.base_url or "", "options": judged.settings}
        advice = judged.advice
    else:
        due = login.tokens.due_at(providers_conf.refresh_margin(login.provider), now.timestamp())
        secret, columns = login.tokens.signing, oauth_columns(login.tokens, due)
    columns |= credentials.sealed_columns(row_id, secret, login.tokens)
    names = {"id": row_id, "owner_id": owner_id, "provider": login.provider, "auth_type": login.auth_type}
    row = AuthSession(**names, name=login.name, created_at=now, status_changed_at=now, **columns)
    row.advice = advice
    return row, secret


def _people(wanted: set[str]) -> dict[str, Any]:
    """Return the users whom a source names, by user name, e-mail address or id, without regard to case."""
    if not wanted:
        return {}
    users = get_user_model().objects.values_list("pk", "username", "email")
    known = {key: pk for pk, name, email in users for key in (str(pk), email.casefold(), name.casefold())}
    return {key: pk for key, pk in known.items() if key in wanted}


def _columns(row: AuthSession) -> dict[str, Any]:
    return {column.attname: getattr(row, column.attname) for column in row._meta.concrete_fields}


def _plain(value: Any) -> str:
    """Return the text of a value that JSON does not have, sealed bytes in hexadecimal."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else bytes(value).hex()


def _thawed(values: dict[str, Any]) -> AuthSession:
    """Return the unsaved row of a backup's columns. A backup that is older than a column has its default."""
    row = AuthSession()
    kinds = {column.attname: column.get_internal_type() for column in row._meta.concrete_fields}
    for name in kinds.keys() & values.keys():
        read = _READERS.get(kinds[name]) if values[name] is not None else None
        setattr(row, name, read(values[name]) if read else values[name])
    return row
