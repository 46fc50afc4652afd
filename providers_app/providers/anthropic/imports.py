"""Profiles of Anthropic's CLI and SDKs: two JSON files that belong together, one of them secret.

``configs/<profile>.json`` has ``authentication`` (``type``, ``client_id``), ``base_url``, ``organization_id`` and
``workspace_id``; ``credentials/<profile>.json`` has ``type``, ``access_token``, ``refresh_token`` and ``expires_at`` in
seconds since the epoch. See https://platform.claude.com/docs/en/cli-sdks-libraries/cli/authentication. The CLI goes on
refreshing the login, and each of its refresh tokens is accepted once: it is read-only here.
"""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers_app import conf
from providers_app.behaviours.oauth.endpoint import origin_of
from providers_app.errors import InvalidCredential
from providers_app.providers.anthropic.oauth import PROFILE, word
from providers_app.providers.anthropic.requests import SLUG
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin, ImportFormat, held_elsewhere, unusable
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire import payload

FORMAT = ImportFormat(
    name="anthropic-profile",
    label="Anthropic CLI profile",
    place="~/.config/anthropic/configs/<profile>.json with credentials/<profile>.json",
    files=2,
)


class AnthropicImports:
    """The Console login of the CLI."""

    formats = (FORMAT,)

    def recognises(self, found: Any) -> str:
        """Either of the two files."""
        return FORMAT.name if _is_config(found) or _is_credentials(found) else ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """Read one login from the two files, in any order."""
        config = next((found for found in files if _is_config(found)), None)
        credentials = next((found for found in files if _is_credentials(found)), None)
        if config is None or credentials is None:
            missing = "configs/<profile>.json" if config is None else "credentials/<profile>.json"
            return [unusable("the files", f"{missing} is missing: a profile consists of two files.", provider=SLUG)]
        try:
            tokens = read_profile(config, credentials)
        except InvalidCredential as error:
            return [unusable("the files", error.message, provider=SLUG, auth_type="oauth")]
        tokens = msgspec.structs.replace(tokens, refresh=Secret(""), read_only=held_elsewhere("Anthropic's CLI"))
        note = "Read-only: Anthropic's CLI goes on refreshing this login."
        name = "anthropic_cli"
        return [ImportedLogin(provider=SLUG, auth_type="oauth", name=name, where="the files", tokens=tokens, note=note)]


def _is_config(found: Any) -> bool:
    return "type" in payload.mapping(payload.mapping(found).get("authentication"))


def _is_credentials(found: Any) -> bool:
    names = payload.mapping(found).keys()
    return "access_token" in names and not names & {"authentication", "id"}


HOSTS = ("anthropic.com", "claude.com")
MAX_TOKEN = 64 * 1024
LATEST = 1e11
"""Seconds; a larger number is one of milliseconds, which these files do not have."""
_HINT = "Give configs/<profile>.json and credentials/<profile>.json of the folder ~/.config/anthropic."


def read_profile(config: Mapping[str, Any], credentials: Mapping[str, Any]) -> Tokens:
    """Read the login of a profile, read-only without a client. Raise ``InvalidCredential``, which quotes nothing."""
    if not isinstance(config, Mapping) or not isinstance(credentials, Mapping):
        raise InvalidCredential("A profile consists of two JSON objects.", hint=_HINT)
    authentication = payload.mapping(config.get("authentication"))
    kind = authentication.get("type")
    if kind == "oidc_federation":
        raise InvalidCredential(
            "This profile is one of workload identity federation; it holds no login.",
            hint="Set up federation with MAESTRO_PROVIDERS__ANTHROPIC__FEDERATION__... instead.",
        )
    if kind != "user_oauth":
        raise InvalidCredential("This is no profile of a login: authentication.type is not user_oauth.", hint=_HINT)
    if credentials.get("type") not in (None, "oauth_token"):
        raise InvalidCredential("The credentials of this profile are of an unknown type.", hint=_HINT)
    access, refresh = _token(credentials, "access_token"), _token(credentials, "refresh_token")
    if not access:
        raise InvalidCredential("The profile holds no access token.", hint=_HINT)
    client_id = word(authentication.get("client_id")) or word(config.get("client_id"))
    base_url = _base_url(config.get("base_url"))
    facts = {"base_url": base_url} if base_url else {}
    ids = {name: word(config.get(name)) for name in ("organization_id", "workspace_id")}
    facts |= {name: value for name, value in ids.items() if value and value.isascii()}
    return Tokens(
        flow=PROFILE,
        access=access,
        refresh=refresh,
        expires_at=_seconds(credentials.get("expires_at")),
        client=OAuthClient(id=client_id),
        issuer=origin_of(base_url or conf.provider(SLUG).base_url),
        facts=facts,
        read_only="" if client_id else "the profile names no client, so only the program that made it can refresh it",
    )


def _token(credentials: Mapping[str, Any], name: str) -> Secret:
    value = credentials.get(name)
    if value is None or value == "":
        return Secret("")
    if not isinstance(value, str) or len(value) > MAX_TOKEN or not all("!" <= char <= "~" for char in value):
        raise InvalidCredential(f"The profile's {name} is no token.", hint=_HINT)
    return Secret(value)


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    try:
        moment = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        moment = math.nan
    if not 0 <= moment < LATEST:
        raise InvalidCredential("The profile's expires_at is no time in seconds since 1970.", hint=_HINT)
    return moment


def _base_url(value: Any) -> str:
    """Check the profile's address. A file must not send tokens elsewhere than to the vendor or our own setting."""
    if value is None or value == "":
        return ""
    text = word(value).rstrip("/")
    if text and text == conf.provider(SLUG).base_url.rstrip("/"):
        return text
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    known = any(host == name or host.endswith(f".{name}") for name in HOSTS)
    plain = parts.scheme == "https" and port in (None, 443) and not set("@?#") & set(text)
    if not (known and plain):
        raise InvalidCredential(
            "The profile's base_url is not an address of Anthropic.",
            hint="Set MAESTRO_PROVIDERS__ANTHROPIC__BASE_URL to that address if it is meant to be used.",
        )
    return text


BEHAVIOUR = AnthropicImports()
