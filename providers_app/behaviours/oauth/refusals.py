"""The error codes of OAuth in words: those of the sign-in page, and those of a token endpoint. Pure.

Codes are RFC 6749 (sections 4.1.2.1 and 5.2), RFC 8628 section 3.5, OpenID Connect Core section 3.1.2.6 and those of
vendors. Only codes are ever shown; what else an answer says may repeat a token.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from providers_app import errors
from providers_app.wire import payload
from providers_app.wire.error_body import redact
from providers_app.wire.status import meanings

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}")
_NAME = re.compile(r"\w+", re.ASCII)
_NUMBER = re.compile(r"\d+")
UNNAMED = "an error without a name"
_ASK_ADMIN = "Ask the administrator of that account, or use another way to sign in."
_CLIENT = "Check the OAuth client's id and secret, and that its type allows this way to sign in."
_AGAIN = "Nothing was stored. Begin the sign-in again in a moment."

DENIALS: dict[str, tuple[str, str]] = {
    "access_denied": ("The access was not allowed on the provider's page.", ""),
    "missing_codex_entitlement": ("This workspace may not use the service that the sign-in is for.", _ASK_ADMIN),
    "admin_policy_enforced": ("The organisation's policy forbids this access.", _ASK_ADMIN),
    "org_internal": ("The OAuth client is for members of its own organisation only.", _CLIENT),
    "invalid_request": ("The provider could not use our request to sign in (invalid_request).", _CLIENT),
    "unauthorized_client": ("The OAuth client may not sign in this way (unauthorized_client).", _CLIENT),
    "invalid_client": ("The provider does not know the OAuth client (invalid_client).", _CLIENT),
    "deleted_client": ("The OAuth client was deleted at the provider.", _CLIENT),
    "redirect_uri_mismatch": (
        "The OAuth client does not allow the address that the answer is sent to (redirect_uri_mismatch).",
        "Add that address to the OAuth client at the provider, exactly as it is shown here.",
    ),
    "unsupported_response_type": ("The provider does not sign in with codes (unsupported_response_type).", _CLIENT),
    "invalid_scope": ("The provider does not know a permission that was asked for (invalid_scope).", _CLIENT),
    "server_error": ("The provider failed while signing in (server_error).", _AGAIN),
    "temporarily_unavailable": ("The provider's sign-in is unavailable at the moment.", _AGAIN),
    "login_required": ("The provider wants its own sign-in first.", "Sign in at the provider, then begin again."),
    "consent_required": ("The provider wants a consent that was not given.", ""),
    "interaction_required": ("The provider wants something from you that its page did not ask for.", _AGAIN),
    "account_selection_required": ("No account was chosen on the provider's page.", ""),
}
ISSUED_CLIENT = frozenset({"unauthorized_client", "invalid_client"})
"""The codes with which a client that was issued to one account is refused for another one."""
_KINDS = meanings(
    {
        errors.AuthenticationFailed: "invalid_client deleted_client",
        errors.PermissionDenied: "unauthorized_client access_denied",
        errors.BadRequest: "invalid_scope invalid_request unsupported_grant_type",
        errors.ServerError: "server_error internal_failure",
        errors.Overloaded: "temporarily_unavailable",
        errors.RateLimited: "slow_down",
    }
)
_ADDRESS = "Check the configured address of the token endpoint."
_SAID: dict[str, tuple[str, str]] = {
    "invalid_grant": ("refused the login: it was used already, has ended or was revoked", ""),
    "invalid_client": ("refused the OAuth client", _CLIENT),
    "deleted_client": ("says that the OAuth client was deleted", _CLIENT),
    "unauthorized_client": ("does not let this OAuth client do that", _CLIENT),
    "invalid_scope": ("does not know a permission that was asked for", "Check the configured scopes."),
    "unsupported_grant_type": ("does not know this way to get tokens", _ADDRESS),
    "invalid_request": (
        "could not use the request",
        "Check the OAuth client and the configured address of the token endpoint.",
    ),
}
_OF_KEYS = (errors.AuthenticationFailed, errors.PermissionDenied)
"""Errors whose own hints speak of a key; at a token endpoint it is the OAuth client that was refused."""
_BY_CLASS: dict[type[errors.UpstreamError], tuple[str, str]] = {
    errors.RateLimited: ("was asked too often", ""),
    errors.NotFound: ("was not found", _ADDRESS),
}


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The codes of an error answer of a token endpoint, the most exact one first, and its ``subtype``."""

    codes: tuple[str, ...] = ()
    subtype: str = ""

    @property
    def code(self) -> str:
        return self.codes[0] if self.codes else ""

    def named(self, status: int) -> str:
        """Return the code, where there is one, and the status."""
        return f"{self.code}, status {status}" if self.code else f"status {status}"


def code_of(value: Any, secrets: Iterable[str] = ()) -> str:
    """Return ``value`` where it may be shown as an error code, else the empty text; never a piece of ``secrets``."""
    if not isinstance(value, str) or not _WORD.fullmatch(value) or _NUMBER.fullmatch(value) or redact(value) != value:
        return ""
    return "" if any(_shares(value, secret) for secret in secrets) else value


def words_of(body: Any, secrets: Iterable[str] = ()) -> Words:
    """Return the codes in a decoded error answer: ``error`` and ``detail`` as text or object, ``code``."""
    found = payload.mapping(body)
    error, detail = payload.mapping(found.get("error")), payload.mapping(found.get("detail"))
    numbers = payload.sequence(found.get("error_codes"))
    candidates = (
        # Entra's own numbers, which say more than its ``error``: {"error": "invalid_client", "error_codes": [7000215]}.
        *(f"AADSTS{number}" for number in numbers if type(number) is int and number > 0),
        # Where both are there, ``code`` is the more exact: {"error": "invalid_grant", "code": "..._reused"}.
        *(error.get(name) for name in ("code", "error", "status", "type")),
        *(found.get(name) for name in ("code", "error", "error_code")),
        *(detail.get(name) for name in ("error_code", "code", "error")),
        found.get("detail"),
    )
    listed = list(secrets)
    codes = dict.fromkeys(word for value in candidates if (word := code_of(value, listed)))
    return Words(codes=tuple(codes), subtype=code_of(found.get("error_subtype"), listed))


def _shares(value: str, secret: str) -> bool:
    """Say whether one is a piece of the other; a short word may be found in a long secret by chance."""
    return value == secret or (len(secret) >= 8 and secret in value) or (len(value) >= 16 and value in secret)


def denial(code: str, description: str = "", subtype: str = "") -> errors.LoginDenied:
    """Return the error for an ``error`` of the sign-in page; known codes inside the description are more exact."""
    told = next((word for word in _NAME.findall(description) if word in DENIALS and word != code), "")
    message, hint = DENIALS.get(told) or DENIALS.get(subtype) or DENIALS.get(code) or ("", "")
    return errors.LoginDenied(message or f"The provider's page answered with {code or UNNAMED}.", hint=hint)


def of_another(whose: str, code: str) -> errors.LoginDenied:
    """Return the error where a client that was issued to ``whose`` is refused: likely another person signed in."""
    return errors.LoginDenied(
        f"This login belongs to {whose}, and the provider refused it for the one that signed in ({code}).",
        hint="Sign in with the same account as before, or connect a new session for the other one.",
    )


def refusal(
    kind: type[errors.UpstreamError],
    words: Words,
    *,
    where: str,
    status: int,
    retry_after: float | None,
    skew: str = "",
) -> errors.UpstreamError:
    """Return the error for an error answer; ``kind`` is its class by the status, ``skew`` a sentence on the clocks."""
    known = next((code for code in words.codes if code in _SAID or code in _KINDS), "")
    # By status first: 429 and 5xx mean what they say, whatever the body calls it.
    chosen = kind if status >= 500 or status == 429 else _KINDS.get(known, kind)
    verb, hint = _SAID.get(known) or _BY_CLASS.get(chosen) or ("refused the request", "")
    if status >= 500:
        verb, hint = "failed", ""
    elif status == 429:
        verb, hint = _BY_CLASS[errors.RateLimited]
    return chosen(
        f"{where} {verb} ({words.named(status)}).{skew}",
        hint=hint or (_CLIENT if chosen in _OF_KEYS else ""),
        status=status,
        type=words.subtype or None,
        upstream_code=words.code or None,
        retry_after=retry_after,
    )
