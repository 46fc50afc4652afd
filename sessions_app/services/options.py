"""The options of a session, which a person chose besides the key and the address: changed, and written as text.

As text an option is one ``name=value``: what a command takes and the admin's text area holds.
"""

from collections.abc import Iterable, Mapping

from django.db import transaction

from providers_app.errors import InvalidOption, UnknownSession
from providers_app.registry import options
from providers_app.text import quoted
from providers_app.types.catalogue import SettingField
from providers_app.types.session_limits import NAMES
from sessions_app import providers, selectors
from sessions_app.models import AuthSession, Pk
from sessions_app.services import trail


def declared(session: AuthSession) -> tuple[SettingField, ...]:
    """Return the options that the session's provider declares, and its limits; none where the provider is gone."""
    info = providers.info(session.provider)
    return options.known(info, session.auth_type) if info else ()


def shown(session: AuthSession) -> list[tuple[str, str]]:
    """Return label and value of each option that has one; the name where the provider no longer declares it."""
    fields = declared(session)
    labels = {field.name: field.label for field in fields}
    words = {field.name: dict(zip(field.choices, field.choice_labels, strict=False)) for field in fields}
    found = session.options.items()
    return [(labels.get(name, name), words.get(name, {}).get(str(value), str(value))) for name, value in found]


def change(
    session: AuthSession, given: Mapping[str, str], *, actor_id: Pk | None = None, whole: bool = False
) -> tuple[str, ...]:
    """Set options and return the names whose value changed. An empty value removes an option.

    ``whole`` removes what is not given too, for a form that shows them all. Options that the provider no longer
    declares are dropped. No address is changed by this, so the stored key goes to the same server as before.
    Raises ``UnknownProvider``, ``ProviderBroken``, ``InvalidOption``, ``InvalidRequest``, ``UnknownSession``.
    """
    info = providers.usable(session.provider)
    known = {field.name for field in options.known(info, session.auth_type)}
    with transaction.atomic():
        # Two changes at once are made one after the other, each upon the other's.
        rows = selectors.visible().select_for_update().filter(pk=session.pk)
        row = rows.values_list("options", flat=True).first()
        if row is None:
            raise UnknownSession("There is no such session.")
        kept = {} if whole else {name: value for name, value in row.items() if name in known}
        after = options.checked(info, session.auth_type, {**kept, **given})
        changed = tuple(name for name in sorted({*row, *after}) if row.get(name) != after.get(name))
        if changed:
            # What a test learned of the account may be another one with these options; a sign-in's is its own.
            other = session.auth_type != AuthSession.AuthType.OAUTH and not NAMES.issuperset(changed)
            forgotten = {"account_label": ""} if other else {}
            AuthSession.objects.filter(pk=session.pk).update(options=after, **forgotten)
            said = ", ".join(f"{name} = {after[name]}" if name in after else f"{name} taken away" for name in changed)
            trail.note(session, trail.OPTIONS_CHANGED, said, actor_id=actor_id)
    session.options = after
    return changed


def parse(lines: Iterable[str]) -> dict[str, str]:
    """Read ``name=value`` lines, an empty value for removal; ``change`` judges the names. Raises ``InvalidOption``."""
    found: dict[str, str] = {}
    for line in lines:
        name, sign, value = line.partition("=")
        name = name.strip()
        if not sign or not name:
            # The text is not repeated: what is no assignment may be a key that was pasted into the wrong place.
            raise InvalidOption("An option is given as name=value.", hint="For example: project=my-project")
        if name in found:
            raise InvalidOption(f"The option {quoted(name)} is given twice.", field=name)
        found[name] = value.strip()
    return found


def changes(options: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, str]:
    """Return what ``typed``, read from the edited text of ``options``, changed; an empty value for a removed line.

    Line endings, the order of lines and a multi-line value that the text shows joined are no change.
    """
    before = parse(written(options).splitlines())
    gone = {name: "" for name in before if name not in typed}
    return gone | {name: value for name, value in typed.items() if value != before.get(name, "")}


def written(options: Mapping[str, str]) -> str:
    """Return the options as ``parse`` reads them, one on a line; a multi-line value is joined."""
    return "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in options.items())
