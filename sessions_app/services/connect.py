"""Store a login, and change what it is made of (key, address)."""

from collections.abc import Mapping
from typing import cast
from uuid import uuid4

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.functions import Lower

from providers_app.errors import InvalidRequest, UnknownSession, UnsupportedOperation
from providers_app.registry import options
from providers_app.sign_in import keys
from providers_app.types.catalogue import AuthType, ProviderInfo
from providers_app.types.credentials import Credential, Secret
from sessions_app import credentials, selectors
from sessions_app.models import Alias, AuthSession, Pk, status_columns
from sessions_app.names import MAX_LENGTH, require_no_alias, validate_name
from sessions_app.providers import usable
from sessions_app.services import addresses, notices, trail
from sessions_app.services.lifecycle import duplicate, free_name


def create(
    *,
    owner_id: Pk,
    provider: str,
    auth_type: str,
    name: str,
    secret: Secret = Secret(""),
    base_url: str = "",
    settings: Mapping[str, str] | None = None,
    actor_id: Pk | None = None,
) -> AuthSession:
    """Store a login under a name, sealed, in one transaction; nothing is asked of the provider.

    ``advice`` of the session is what was removed from around the key.
    Raises as ``check``, and ``InvalidName``, ``DuplicateSession``, ``InvalidRequest`` (limit), ``NotConfigured``.
    """
    name = validate_name(name)
    credential = check(provider, auth_type, secret, base_url, settings)
    row_id = uuid4()
    session = AuthSession(
        id=row_id,
        owner_id=owner_id,
        provider=provider,
        auth_type=auth_type,
        name=name,
        base_url=credential.base_url or "",
        options=credential.settings,
        **credentials.sealed_columns(row_id, credential.secret),
    )
    session.advice = credential.advice
    with free_name(owner_id, provider, auth_type, name):
        claim_place(owner_id)
        session.save(force_insert=True)
        trail.note(session, trail.CREATED, actor_id=actor_id)
    return session


def offering(provider: str, auth_type: str) -> ProviderInfo:
    """Return the card of a provider that has this auth type. Raises ``UnsupportedOperation``, and as ``usable``."""
    info = usable(provider)
    if auth_type not in info.auth_types:
        kinds = ", ".join(info.auth_types)
        raise UnsupportedOperation(f"{info.name} has no auth type '{auth_type}'.", hint=f"It has: {kinds}.")
    return info


def check(
    provider: str, auth_type: str, secret: Secret, base_url: str = "", settings: Mapping[str, str] | None = None
) -> Credential:
    """Return the credential that these inputs make.

    Raises ``UnknownProvider``, ``ProviderBroken``, ``UnsupportedOperation`` (auth type), ``InvalidCredential``,
    ``InvalidOption``, ``InvalidRequest`` (base URL), ``AddressRefused``.
    """
    info = offering(provider, auth_type)
    if auth_type == AuthSession.AuthType.OAUTH.value:
        hint = f"Use manage.py sessions login {info.slug}, or Connect in the browser."
        raise UnsupportedOperation(f"A session of {info.name} with OAuth begins with a sign-in.", hint=hint)
    allowed = addresses.allowed_pairs()
    return keys.make_credential(provider, cast(AuthType, auth_type), secret, base_url, settings, allowed)


def replace_key(session: AuthSession, secret: Secret, *, actor_id: Pk | None = None) -> int:
    """Store another key and forget the errors of the old one; return the new generation. Raises as ``create``."""
    info = usable(session.provider)
    if session.auth_type != AuthSession.AuthType.API_KEY:
        raise UnsupportedOperation(f"The session '{session.name}' has no key to replace.")
    secret, session.advice = keys.checked_key(info, "api_key", secret)
    with transaction.atomic():
        generation = credentials.replace(session, secret, fresh_columns(session))
        trail.note(session, trail.KEY_REPLACED, actor_id=actor_id)
        notices.resolve(session)
    return generation


def change_base_url(session: AuthSession, base_url: str, *, actor_id: Pk | None = None) -> bool:
    """Change the address and drop the key, given for the old one; ``False`` if it is the same. Raises as ``check``."""
    info = usable(session.provider)
    address, said = options.copied(info, base_url, None)
    found, session.advice = keys.checked_address(info, address, {}, addresses.allowed_pairs())
    base_url = found or ""
    if base_url == session.base_url:
        return False
    if session.auth_type == AuthSession.AuthType.OAUTH:
        raise InvalidRequest("The address of a sign-in is its provider's and cannot be changed.")
    # What the copied address says is newer than what is stored.
    chosen = options.checked(info, session.auth_type, {**session.options, **(said or {})})
    changes = fresh_columns(session) | {"base_url": base_url, "options": chosen}
    if session.auth_type == AuthSession.AuthType.API_KEY and session.status != AuthSession.Status.DISABLED:
        why = "The address was changed, so the key must be given again."
        changes |= status_columns(AuthSession.Status.NEEDS_REAUTH, why)
    with transaction.atomic():
        credentials.replace(session, Secret(""), changes)
        trail.note(session, trail.ADDRESS_CHANGED, f"now {base_url or 'the provider’s own'}", actor_id=actor_id)
    session.base_url, session.options = base_url, chosen
    return True


def require_free(owner_id: Pk, provider: str, auth_type: str, name: str) -> None:
    """Raise ``DuplicateSession`` when the name is taken; a check before the test, ``create`` decides."""
    if selectors.owned(owner_id).filter(provider=provider, auth_type=auth_type, name__iexact=name).exists():
        raise duplicate(provider, auth_type, name)
    with transaction.atomic():
        require_no_alias(owner_id, name)


def suggest_name(owner_id: Pk, provider: str, *, stem: str = "") -> str:
    """Return a free name for a new session of this provider, ``stem`` or with a number behind it."""
    stem = (stem or f"my_{provider}")[: MAX_LENGTH - 4]
    named = (selectors.owned(owner_id), Alias.objects.filter(owner_id=owner_id))
    taken = {name for rows in named for name in rows.values_list(Lower("name"), flat=True)}
    return next(name for name in (stem, *(f"{stem}_{n}" for n in range(2, len(taken) + 3))) if name not in taken)


def fresh_columns(session: AuthSession) -> dict[str, object]:
    """Return the column values of a session whose credential was never used; a disabled one stays disabled."""
    disabled = session.status == AuthSession.Status.DISABLED
    forgotten = {"limited_until": None, "tested_at": None, "expires_at": None, "account_label": ""}
    return {**credentials.NO_ERROR, **forgotten, **({} if disabled else status_columns(AuthSession.Status.ACTIVE))}


def claim_place(owner_id: Pk, adding: int = 1) -> None:
    """Lock the owner, so that one call takes the last place. Raises ``UnknownSession``, ``InvalidRequest`` (limit)."""
    if not get_user_model().objects.select_for_update().filter(pk=owner_id).exists():
        raise UnknownSession("The session has no owner: there is no such user.")
    limit = django_settings.MAESTRO.sessions.per_owner_limit
    if selectors.owned(owner_id).count() + adding > limit:
        hint = "Delete one that is not needed, or raise MAESTRO_SESSIONS__PER_OWNER_LIMIT."
        raise InvalidRequest(f"You have {limit} sessions, which is the limit.", hint=hint)
