"""The call itself is wrong; trying again changes nothing."""

from collections.abc import Iterable

from providers_app.errors.base import ProviderError
from providers_app.types.advice import Advice

SAID = 5
"""Findings that the message of an error says; ``advice`` has them all."""


class CallerError(ProviderError):
    """The call itself is wrong."""

    code = "caller_error"
    http_status = 400


class UnknownProvider(CallerError):
    code, http_status = "unknown_provider", 404


class UnknownSession(CallerError):
    code, http_status = "unknown_session", 404


class AmbiguousSession(CallerError):
    code, http_status = "ambiguous_session", 409


class DuplicateSession(CallerError):
    code, http_status = "duplicate_session", 409
    default_hint = "Choose another name, or delete the session that has it."


class InvalidName(CallerError):
    code, http_status = "invalid_name", 422
    default_hint = "Use 3 to 50 letters, digits, _ and -."


class InvalidCredential(CallerError):
    code, http_status = "invalid_credential", 422


class InvalidRequest(CallerError):
    code, http_status = "invalid_request", 400


class InvalidOption(InvalidRequest):
    """``field`` is the name of the session's option."""

    code, http_status = "invalid_option", 422

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class EmptyPrompt(InvalidRequest):
    code, http_status = "empty_prompt", 400
    default_hint = "Write a message first."


class ContextTooLong(InvalidRequest):
    code, http_status = "context_too_long", 400
    default_hint = "Exclude or delete chunks in the context panel, or choose a model with a larger window."


class InvalidParameter(InvalidRequest):
    """Parameters that cannot be sent; ``advice`` says of each what is wrong with it and why."""

    code, http_status = "invalid_parameter", 400

    def __init__(self, advice: Iterable[Advice]) -> None:
        self.advice = tuple(advice)
        super().__init__(" ".join(item.message for item in self.advice[:SAID]) + _more(self.advice), hint=_hint(self))


class UnsupportedParameter(InvalidParameter):
    """Parameters that would not be sent as they are; raised where that was not to be done (``strict``)."""

    code, http_status = "unsupported_parameter", 400
    default_hint = "Leave them out, or ask without strict: they are then left out and the answer says so."


class InvalidIntent(InvalidRequest):
    code, http_status = "invalid_intent", 400
    default_hint = "An intent has a purpose (test_pass, best_practice or maintenance), a scope and a risk_level."


class UnsupportedContent(InvalidRequest):
    code, http_status = "unsupported_content", 400


class OwnerRequired(CallerError):
    code, http_status = "owner_required", 400
    default_hint = "Pass owner=, or call inside `with provider.acting_as(user):`."


class UnknownContext(CallerError):
    code, http_status = "unknown_context", 404


class UnsupportedOperation(CallerError):
    code, http_status = "unsupported_operation", 501


class SessionDisabled(CallerError):
    code, http_status = "session_disabled", 409
    default_hint = "Enable the session on its page, or use another one."


class LoginError(CallerError):
    """A sign-in that cannot go on as it is; the hint says which way is open."""

    code, http_status = "login_error", 400


class UnknownLogin(LoginError):
    code, http_status = "unknown_login", 404
    default_hint = "Begin the sign-in again, in this browser."


class LoginExpired(LoginError):
    code, http_status = "login_expired", 410
    default_hint = "Begin the sign-in again; nothing was stored."


class LoginUsed(LoginError):
    code, http_status = "login_used", 409
    default_hint = "Each sign-in takes one answer. Begin again for another one."


class LoginDenied(LoginError):
    code, http_status = "login_denied", 403
    default_hint = "Begin again and allow the access, or use another way to sign in."


class InvalidLoginAnswer(LoginError):
    code, http_status = "invalid_login_answer", 422


class MissingScope(LoginError):
    code, http_status = "missing_scope", 403


class WrongAccount(LoginError):
    code, http_status = "wrong_account", 409
    default_hint = "Confirm the other account, or sign in with the one that the session had."


class FlowDisabled(LoginError):
    code, http_status = "flow_disabled", 403


class ListenerUnavailable(LoginError):
    code, http_status = "listener_unavailable", 409
    default_hint = "Paste the address that you land on instead."


class NotRefreshable(CallerError):
    code, http_status = "not_refreshable", 409


class RefreshTooEarly(CallerError):
    code, http_status = "refresh_too_early", 409


class NeedsReauth(CallerError):
    code, http_status = "needs_reauth", 401
    default_hint = "Sign in again on the session's page: the session keeps its name and its trail."


class AddressRefused(CallerError):
    code, http_status = "address_refused", 403
    default_hint = "Add the host to MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS if this address is meant to be reached."


def _more(advice: tuple[Advice, ...]) -> str:
    return f" And {len(advice) - SAID} more." if len(advice) > SAID else ""


def _hint(error: InvalidParameter) -> str:
    if error.default_hint:
        return ""
    first = next((item for item in error.advice if item.nearest is not None), None)
    plain = first is not None and isinstance(first.nearest, str | int | float)
    return f"The nearest value of {first.field} is {first.nearest!r}." if first is not None and plain else ""
