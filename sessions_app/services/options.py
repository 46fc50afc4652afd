"""Changing the options of a stored session: what a person chose besides the key and the address."""

from collections.abc import Mapping

from django.db import transaction

from providers_app.errors import UnknownSession
from providers_app.registry import options
from providers_app.types.catalogue import SettingField
from sessions_app import providers
from sessions_app.models import AuthSession, Pk
from sessions_app.services import trail


def declared(session: AuthSession) -> tuple[SettingField, ...]:
    """What the session's provider has to choose for it; nothing where the provider is gone."""
    info = providers.info(session.provider)
    return options.declared(info, session.auth_type) if info else ()


def shown(session: AuthSession) -> list[tuple[str, str]]:
    """Each option with a value, by its label (an option that its provider knows no more: by its name)."""
    labels = {field.name: field.label for field in declared(session)}
    words = {field.name: dict(zip(field.choices, field.choice_labels, strict=False)) for field in declared(session)}
    found = [(name, str(value)) for name, value in session.options.items()]
    return [(labels.get(name, name), words.get(name, {}).get(value, value)) for name, value in found]


def change(
    session: AuthSession, given: Mapping[str, str], *, actor_id: Pk | None = None, whole: bool = False
) -> tuple[str, ...]:
    """Set options; the names whose value changed. An empty value takes an option away, and the key stays where it is.

    ``whole``: what is not given is taken away too, as a form does that shows them all. What a provider knows no more is
    dropped on the way. No address is changed by this, so the stored key goes where it went before.

    Raises ``UnknownProvider``, ``ProviderBroken``, ``InvalidOption``, ``InvalidRequest``, ``UnknownSession``.
    """
    info = providers.usable(session.provider)
    known = {field.name for field in options.declared(info, session.auth_type)}
    with transaction.atomic():
        # Two changes at once are made one after the other, each upon the other's.
        row = (
            AuthSession.objects.select_for_update()
            .filter(pk=session.pk, deleted_at__isnull=True)
            .values_list("options", flat=True)
            .first()
        )
        if row is None:
            raise UnknownSession("There is no such session.")
        kept = {} if whole else {name: value for name, value in row.items() if name in known}
        after = options.checked(info, session.auth_type, {**kept, **given})
        changed = tuple(name for name in sorted({*row, *after}) if row.get(name) != after.get(name))
        if changed:
            # What a test learned of the account may be another one with these options; a sign-in's is its own.
            forgotten = {} if session.auth_type == AuthSession.AuthType.OAUTH else {"account_label": ""}
            AuthSession.objects.filter(pk=session.pk).update(options=after, **forgotten)
            said = ", ".join(f"{name} = {after[name]}" if name in after else f"{name} taken away" for name in changed)
            trail.note(session, trail.OPTIONS_CHANGED, said, actor_id=actor_id)
    session.options = after
    return changed
