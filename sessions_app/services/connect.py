"""Store a login, and change what it is made of (key, address)."""

from collections.abc import Mapping
from typing import cast
from uuid import uuid4

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import transaction

from providers_app import conf as providers_conf
from providers_app.behaviours import addresses
from providers_app.errors import InvalidCredential, InvalidRequest, UnknownSession, UnsupportedOperation
from providers_app.registry import options
from providers_app.registry.resolver import resolve
from providers_app.types.catalogue import AuthType, ProviderInfo
from providers_app.types.credentials import Credential, Secret
from providers_app.wire.guard import check_url
from sessions_app import credentials, selectors
from sessions_app.models import AuthSession, Pk, status_columns
from sessions_app.names import MAX_LENGTH, validate_name
from sessions_app.providers import usable
from sessions_app.services import notices, trail
from sessions_app.services.lifecycle import duplicate, free_name

MAX_KEY_CHARS = 16_384


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
    with free_name(provider, auth_type, name):
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
    address, said = options.copied(info, base_url, settings)
    chosen = options.checked(info, auth_type, said)
    return Credential(
        auth_type=cast(AuthType, auth_type),
        secret=_checked_secret(info, auth_type, secret),
        base_url=_checked_base_url(info, options.address(info, address, chosen)) or None,
        settings=chosen,
    )


def replace_key(session: AuthSession, secret: Secret, *, actor_id: Pk | None = None) -> int:
    """Store another key and forget the errors of the old one; return the new generation. Raises as ``create``."""
    info = usable(session.provider)
    if session.auth_type != AuthSession.AuthType.API_KEY:
        raise UnsupportedOperation(f"The session '{session.name}' has no key to replace.")
    secret = _checked_secret(info, session.auth_type, secret)
    with transaction.atomic():
        generation = credentials.replace(session, secret, fresh_columns(session))
        trail.note(session, trail.KEY_REPLACED, actor_id=actor_id)
        notices.resolve(session)
    return generation


def change_base_url(session: AuthSession, base_url: str, *, actor_id: Pk | None = None) -> bool:
    """Change the address and drop the key, given for the old one; ``False`` if it is the same. Raises as ``check``."""
    info = usable(session.provider)
    address, said = options.copied(info, base_url, None)
    base_url = _checked_base_url(info, address or "")
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
    if selectors.owned(owner_id).filter(provider=provider, auth_type=auth_type, name=name).exists():
        raise duplicate(provider, auth_type, name)


def suggest_name(owner_id: Pk, provider: str) -> str:
    """Return a free name for a new session of this provider, for a form to start with."""
    stem = f"my_{provider}"[: MAX_LENGTH - 4]
    taken = set(selectors.owned(owner_id).filter(name__startswith=stem).values_list("name", flat=True))
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


def _checked_secret(info: ProviderInfo, auth_type: str, secret: Secret) -> Secret:
    key = secret.reveal().strip()
    if auth_type == AuthSession.AuthType.NONE:
        if key:
            raise InvalidCredential(f"{info.name} takes no key with the auth type 'none'.", hint="Leave the key out.")
        return Secret("")
    shape = f"Its keys look like {info.key_hint}." if info.key_hint else ""
    if not key:
        raise InvalidCredential(f"{info.name} needs a key.", hint=shape)
    if len(key) > MAX_KEY_CHARS:
        raise InvalidCredential(f"The key is longer than {MAX_KEY_CHARS} characters.", hint=shape)
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        raise InvalidCredential("The key contains line breaks or control characters.", hint=shape or "Paste it again.")
    for advice in resolve(info.slug, "api_key").validate(key):
        if advice.level == "error":
            # A provider package may quote what it was given.
            raise InvalidCredential(advice.message.replace(key, "***"), hint=shape)
    return Secret(key)


def _checked_base_url(info: ProviderInfo, base_url: str) -> str:
    base_url = base_url.strip()
    if not base_url:
        if addresses.required(info):
            raise InvalidRequest(f"{info.name} needs a base URL.", hint="Give an address such as https://host/v1.")
        return ""
    if not (info.base_url_editable or info.base_url_required):
        raise InvalidRequest(f"{info.name} has one address, which cannot be changed.", hint="Leave the base URL out.")
    return check_url(base_url, providers_conf.current().allowed_private_hosts)
