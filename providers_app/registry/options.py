"""Options of a session: what its provider declares (``ProviderInfo.settings``), its limits, and what a person gave.

The provider core and the session store judge options here, so that pages, commands, imports and scripts agree.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from providers_app.errors import InvalidOption, InvalidRequest
from providers_app.text import nearest, quoted
from providers_app.types import session_limits
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ProviderInfo, SettingField
from providers_app.wire.error_body import redact

MAX_OPTIONS = 40
MAX_VALUE = 500
MAX_LINES = 4000
"""Characters of an option with several lines."""
# A part of a name: `token_limit` would be told apart from `max_tokens_field` by hand, so whole words count.
_SECRET = re.compile(r"(?:^|[_-])(?:api_?key|key|secret|password|passwd|token|credentials?|authorization|bearer)$")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


def declared(card: ProviderInfo, auth_type: str) -> tuple[SettingField, ...]:
    """Return the options of the provider's sessions of one auth type, in its order."""
    return tuple(field for field in card.settings if not field.auth_types or auth_type in field.auth_types)


def known(card: ProviderInfo, auth_type: str) -> tuple[SettingField, ...]:
    """Return what the provider declares, and the limits that every session may have."""
    return declared(card, auth_type) + session_limits.FIELDS


def problems(card: ProviderInfo, auth_type: str, given: Mapping[str, Any]) -> list[Advice]:
    """Return an error for each option that cannot be stored; an empty value counts as none.

    Raises ``InvalidRequest`` where ``given`` is no mapping of names, or has more than ``MAX_OPTIONS``.
    """
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidRequest(f"The options of a session are a dictionary of strings, not {quoted(given)}.")
    if len(given) > MAX_OPTIONS:
        raise InvalidRequest(f"A session has at most {MAX_OPTIONS} options.")
    fields = {field.name: field for field in known(card, auth_type)}
    found = [_unknown(card, auth_type, name, fields) for name in given if name not in fields]
    refused = (_refused(field, given.get(name)) for name, field in fields.items())
    return found + [advice for advice in refused if advice is not None]


def checked(card: ProviderInfo, auth_type: str, given: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the values to store, without the empty ones. Raises ``InvalidOption`` for the first that is wrong."""
    if wrong := problems(card, auth_type, given or {}):
        raise error_of(wrong[0])
    return {name: text for name, value in (given or {}).items() if value and (text := value.strip())}


def error_of(advice: Advice) -> InvalidOption:
    """Return a finding as the error that the services raise."""
    hint = advice.nearest if isinstance(advice.nearest, str) else ""
    return InvalidOption(advice.message, hint=hint, field=advice.field)


def copied(
    card: ProviderInfo, base_url: str | None, given: Mapping[str, Any] | None
) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return a copied address without its query, and the query's values (``ProviderInfo.address_options``).

    Given options are stronger. A query with anything else in it stays, and is refused later.
    """
    head, mark, query = base_url.partition("?") if isinstance(base_url, str) else ("", "", "")
    named, found = dict(card.address_options), dict(parse_qsl(query, keep_blank_values=True))
    if not mark or not set(found) <= set(named) or not isinstance(given or {}, Mapping):
        return base_url, given
    said = {named[name]: value for name, value in found.items()}
    return head, said | {name: value for name, value in (given or {}).items() if value}


def address(card: ProviderInfo, base_url: str | None, given: Mapping[str, Any] | None) -> str:
    """Return the session's address: the given one, else that of a chosen option (``SettingField.addresses``).

    It is stored like a typed one, so that another choice later never sends the stored key elsewhere.
    """
    own = base_url.strip() if isinstance(base_url, str) else ""
    chosen = ((field, (given or {}).get(field.name)) for field in card.settings if field.addresses)
    found = (field.addresses[field.choices.index(value)] for field, value in chosen if value in field.choices)
    return own or next(filter(None, found), "")


def field_problem(field: SettingField) -> str:
    """Return what makes a declaration unusable, for the author of the package; empty when it is fine."""
    if not isinstance(field.name, str) or not _NAME.match(field.name):
        return f"has an option {quoted(field.name)}, which is no lower-case name"
    if _SECRET.search(field.name):
        return f"has an option {field.name!r}, which sounds like a secret; options are shown on pages"
    if not isinstance(field.label, str) or not field.label:
        return f"has an option {field.name!r} without a label"
    if field.name in session_limits.NAMES:
        return f"has an option {field.name!r}, which every session has as its limit"
    for name, parallel in (("choice_labels", field.choice_labels), ("addresses", field.addresses)):
        if parallel and len(parallel) != len(field.choices):
            return f"has an option {field.name!r} with {len(field.choices)} choices and {len(parallel)} {name}"
    try:
        re.compile(field.pattern)
    except (re.error, TypeError):
        return f"has an option {field.name!r} whose pattern is no regular expression"
    return ""


def _unknown(card: ProviderInfo, auth_type: str, name: str, fields: Mapping[str, SettingField]) -> Advice:
    if _SECRET.search(name.lower()):
        why = "Options are shown on pages, so a secret never goes into one: give it as the session's key."
        return Advice(level="error", field=name, what=f"{quoted(name)} looks like a secret.", why=why, code="secret")
    hint = nearest(name, fields) or f"{card.name} has none for this auth type ({auth_type})."
    what = f"{card.name} has no option {quoted(name)}."
    return Advice(level="error", field=name, what=what, nearest=hint, code="unknown_option")


def _refused(field: SettingField, value: Any) -> Advice | None:
    def error(what: str, hint: str = "") -> Advice:
        return Advice(level="error", field=field.name, what=what, nearest=hint or None, code="invalid_option")

    if not isinstance(value, str | None):
        return error(f"{field.label} must be text, not {type(value).__name__}.")
    value = (value or "").strip()
    if not value:
        return error(f"{field.label} is needed.", field.help) if field.required else None
    limit = MAX_LINES if field.multiline else MAX_VALUE
    if len(value) > limit:
        return error(f"{field.label} is longer than {limit} characters.")
    if not (value.replace("\n", "").replace("\r", "").replace("\t", "") if field.multiline else value).isprintable():
        return error(f"{field.label} has line breaks or control characters.")
    if redact(value) != value:
        return error(f"{field.label} looks like a key.", "Options are shown on pages; a key goes into the key's field.")
    if field.choices and value not in field.choices:
        return error(f"{field.label} cannot be {quoted(value)}.", nearest(value, field.choices))
    if field.pattern and not re.fullmatch(field.pattern, value):
        return error(field.problem or f"{field.label} cannot be {quoted(value)}.")
    return None
