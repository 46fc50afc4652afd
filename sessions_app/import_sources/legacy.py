"""An export of the earlier product's table ``saved_authentications``: one row per provider and auth type, no names.

JSON (a list of rows, an object with such a list, or Django's fixture form) or CSV with a header. Column names differ
between its versions; those below are known, in any case. What a row stores may lie flat in columns or as JSON in one of
them. A session made of a row is called ``default_{provider}_{auth_type}``.
"""

import csv
import io
import json
import math
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.oauth.enabled import is_enabled, setting_for
from providers_app.errors import InvalidRequest
from providers_app.registry.resolver import resolve, supports
from providers_app.types.catalogue import AuthType
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin, held_elsewhere, unusable
from providers_app.types.tokens import OAuthClient, Tokens
from sessions_app.import_sources.keys import shown, slug_of
from sessions_app.names import MAX_LENGTH

TABLE = "saved_authentications"
MAX_ROWS = 100_000
PROVIDER = ("provider", "provider_id", "provider_name", "provider_slug")
AUTH_TYPE = ("auth_type", "authentication_type", "authtype", "type", "auth_method")
PERSON = ("username", "email", "owner", "user_email", "user", "user_id")
PACKED = ("credentials", "auth_data", "data", "payload", "tokens", "value")
KEY = ("api_key", "apikey", "key", "secret", "token")
ACCESS = ("access_token", "accesstoken", "access")
REFRESH = ("refresh_token", "refreshtoken", "refresh")
ENDS = ("expires_at", "expiresat", "expiry", "expiry_date", "expires")
BASE_URL = ("base_url", "endpoint", "api_base", "base_uri", "url")
ACCOUNT = ("account_id", "accountid", "chatgpt_account_id", "organization_uuid")
LABEL = ("account_label", "account_email", "account")
CLIENT_ID = ("client_id", "clientid")
CLIENT_SECRET = ("client_secret", "clientsecret")
FLOW = ("flow", "oauth_flow")
AUTH_TYPES: dict[str, AuthType] = {
    **dict.fromkeys(("api_key", "apikey", "api-key", "key"), "api_key"),
    **dict.fromkeys(("oauth", "oauth2", "oauth_token"), "oauth"),
    **dict.fromkeys(("none", "no_auth"), "none"),
}
MILLISECONDS = 100_000_000_000  # a number beyond this is no count of seconds: the year would be 5138


def rows_of(text: str) -> list[dict[str, Any]]:
    """Return the rows of an export, their column names in lower case. Raises ``InvalidRequest``."""
    stripped = text.lstrip("\ufeff \t\r\n")
    try:
        json_rows = list(_rows_in(json.loads(stripped))) if stripped[:1] in ("[", "{") else None
    except (ValueError, RecursionError):
        raise InvalidRequest("The export is not valid JSON.") from None
    rows = list(csv.DictReader(io.StringIO(stripped))) if json_rows is None else json_rows
    if not rows:
        raise InvalidRequest("The export has no rows.")
    if len(rows) > MAX_ROWS:
        raise InvalidRequest(f"The export has more than {MAX_ROWS} rows.", hint="Split it.")
    plain = [_lowered(row) for row in rows]
    if not any(_first(row, PROVIDER) for row in plain):
        what = "No row has a column 'provider', so this is no export of saved_authentications."
        raise InvalidRequest(what, hint="Export the table as JSON, or as CSV with a header.")
    return plain


def is_export(decoded: Any) -> bool:
    """Say whether decoded JSON looks like an export."""
    rows = list(_rows_in(decoded))
    first = _lowered(rows[0]) if rows else {}
    return bool(_first(first, PROVIDER)) and bool(_first(first, AUTH_TYPE))


def read(text: str, slugs: Collection[str], *, retired: bool = False) -> list[ImportedLogin]:
    """Return the logins of an export; those of a ``retired`` product may be refreshed. Raises ``InvalidRequest``."""
    return [_login(row, f"row {number}", slugs, retired) for number, row in enumerate(rows_of(text), start=1)]


def _login(row: Mapping[str, Any], where: str, slugs: Collection[str], retired: bool) -> ImportedLogin:
    named = _text(row, PROVIDER)
    slug = slug_of(named, slugs)
    kind = AUTH_TYPES.get(_text(row, AUTH_TYPE).strip().lower())
    if not slug:
        # Where columns are shifted, a key stands here; names of providers are short.
        return unusable(where, f"The provider {shown(named)} is not installed.")
    if not kind:
        return unusable(where, "Its auth type is none that Maestro has.", provider=slug)
    found = {**_packed(row), **{name: value for name, value in row.items() if value not in (None, "")}}
    name = f"default_{slug}_{kind}"[:MAX_LENGTH]
    login = ImportedLogin(provider=slug, auth_type=kind, name=name, where=where, person=_text(row, PERSON))
    if kind == "oauth":
        try:
            tokens = _tokens(found, slug, retired)
        except InvalidRequest as error:
            return unusable(where, error.message, provider=slug, auth_type="oauth")
        note = "Read-only: the earlier product may go on refreshing this login." if tokens.read_only else ""
        return msgspec.structs.replace(login, tokens=tokens, note=note)
    key = _text(found, KEY) if kind == "api_key" else ""
    if kind == "api_key" and not key:
        return unusable(where, "It has no key.", provider=slug)
    return msgspec.structs.replace(login, secret=Secret(key), base_url=_text(found, BASE_URL))


def _tokens(found: Mapping[str, Any], slug: str, retired: bool) -> Tokens:
    """Return the tokens of a row. Raises ``InvalidRequest`` that says why they cannot be taken over."""
    if not supports(slug, "oauth"):
        raise InvalidRequest("The provider has no sign-in here.")
    flows, named = resolve(slug, "oauth").flows, _text(found, FLOW)
    flow = next((flow for flow in flows if flow.name == named), None)
    flow = flow or next((flow for flow in flows if flow.takes_over), None)
    if flow is None:
        raise InvalidRequest("No sign-in of the provider takes over such tokens.")
    if not is_enabled(slug, flow):
        allow = setting_for(slug, flow.name)
        raise InvalidRequest(f"The provider restricts this login; an operator may allow it with {allow}.")
    access, refresh = _text(found, ACCESS), _text(found, REFRESH)
    if not access and not refresh:
        raise InvalidRequest("It has neither an access nor a refresh token.")
    held = flow.rotation == "single_use" and not retired
    if held and not access:
        raise InvalidRequest("It has no access token that could be used.")
    try:
        ends = _seconds(_first(found, ENDS))
    except ValueError:
        raise InvalidRequest("Its expiry is no time.") from None
    # A public client was often not stored: then it is the configured one.
    client_id = _text(found, CLIENT_ID) or getattr(getattr(conf.provider(slug), "oauth", None), "client_id", "")
    return Tokens(
        flow=flow.name,
        access=Secret(access),
        refresh=Secret("" if held else refresh),
        # A token whose end is not known is refreshed before its first use, where it can be.
        expires_at=ends if ends is not None or held or not refresh else 0.0,
        client=OAuthClient(id=client_id or "", secret=Secret(_text(found, CLIENT_SECRET))),
        account_id=_text(found, ACCOUNT)[:200],
        account_label=_text(found, LABEL)[:200],
        read_only=held_elsewhere("The earlier product") if held else "",
    )


def _packed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a row stores as JSON in one column."""
    for name in PACKED:
        value = row.get(name)
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            try:
                value = json.loads(value)
            except ValueError:
                continue
        if isinstance(value, Mapping):
            return _lowered(value)
    return {}


def _rows_in(decoded: Any) -> Iterator[dict[str, Any]]:
    if isinstance(decoded, Mapping):
        lists = [value for value in (decoded.get(TABLE), *decoded.values()) if isinstance(value, list)]
        decoded = lists[0] if lists else []
    if not isinstance(decoded, list):
        return
    for item in decoded:
        if isinstance(item, Mapping):
            fields = item.get("fields")
            yield dict(fields) if isinstance(fields, Mapping) and "model" in item else dict(item)


def _lowered(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name).strip().lower(): value for name, value in row.items() if name is not None}


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return str(_first(row, names) or "")


def _seconds(value: Any) -> float | None:
    """Seconds since the epoch from seconds, milliseconds or an ISO time. Raises ``ValueError``."""
    if value in (None, ""):
        return None
    if isinstance(value, bool):
        raise ValueError
    try:
        number = float(value)
    except (TypeError, ValueError):
        moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number) or number < 0:
        raise ValueError
    return number / 1000 if number > MILLISECONDS else number
