"""The root of all errors, the three that are about the installation, and those of a call that is wrong by itself."""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from providers_app.types.advice import Advice
from providers_app.types.events import ErrorInfo

SAID = 5
"""Findings that the message of an error says; ``advice`` has them all."""


class Retry(StrEnum):
    """Permission to send the same request again; never used after the first visible output."""

    NEVER = "never"
    AFTER_WAIT = "after_wait"
    NOW = "now"


class ProviderError(Exception):
    """The root. ``message`` says what happened and why, ``hint`` what to do."""

    code: ClassVar[str] = "provider_error"
    http_status: ClassVar[int] = 500
    retry: Retry = Retry.NEVER
    default_hint: ClassVar[str] = ""
    context_id: str | None = None
    """The stored context that the call was about, where there was one."""

    def __init_subclass__(cls, *, code: str = "", status: int = 0, retry: Retry | None = None) -> None:
        """Declare the stable code of a class, its HTTP status and ``retry``; what is left out is inherited."""
        cls.code, cls.http_status, cls.retry = code or cls.code, status or cls.http_status, retry or cls.retry

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def info(self) -> ErrorInfo:
        """Return the error as data, fit for a page, a frame or a log (no secret is ever in it)."""
        return ErrorInfo(code=self.code, message=self.message, hint=self.hint)


class NotConfigured(ProviderError, code="not_configured", status=503):
    """A part of the installation is missing: a store, the key ring."""


class ProviderBroken(ProviderError, code="provider_broken", status=503):
    """The package of a provider does not load or comply."""

    default_hint = "Run `manage.py check --tag providers`."


class ShuttingDown(NotConfigured, code="shutting_down", status=503):
    """The server is stopping and starts no turn."""

    default_hint = "Send it again in a moment."


class CallerError(ProviderError, code="caller_error", status=400):
    """The call itself is wrong."""


class UnknownProvider(CallerError, code="unknown_provider", status=404):
    """No installed package has this slug."""


class UnknownSession(CallerError, code="unknown_session", status=404):
    """The owner has no session of this name or id; a foreign or deleted one is none either."""


class AmbiguousSession(CallerError, code="ambiguous_session", status=409):
    """A name fits several sessions; the hint lists them."""


class DuplicateSession(CallerError, code="duplicate_session", status=409):
    """Another session of the owner has this name, or holds this very login."""

    default_hint = "Choose another name, or delete the session that has it."


class InvalidName(CallerError, code="invalid_name", status=422):
    """The name of a session has a wrong length or wrong characters, or could be mistaken for something else."""

    default_hint = "Use 3 to 50 letters, digits, _ and -."


class InvalidCredential(CallerError, code="invalid_credential", status=422):
    """A key, key file or login is malformed, incomplete or missing; nothing of it is quoted."""


class InvalidRequest(CallerError, code="invalid_request", status=400):
    """An argument is wrong, or does not fit the others."""


class InvalidOption(InvalidRequest, code="invalid_option", status=422):
    """An option of a session is unknown or has a wrong value; ``field`` is its name."""

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class EmptyPrompt(InvalidRequest, code="empty_prompt", status=400):
    """There is no message to answer."""

    default_hint = "Write a message first."


class ContextTooLong(InvalidRequest, code="context_too_long", status=400):
    """The request would not fit into the model's window; nothing was sent."""

    default_hint = "Exclude or delete chunks in the context panel, or choose a model with a larger window."


class InvalidParameter(InvalidRequest, code="invalid_parameter", status=400):
    """Parameters that cannot be sent; ``advice`` says of each what is wrong with it and why."""

    def __init__(self, advice: Iterable[Advice]) -> None:
        self.advice = tuple(advice)
        more = f" And {len(self.advice) - SAID} more." if len(self.advice) > SAID else ""
        super().__init__(" ".join(item.message for item in self.advice[:SAID]) + more, hint=self._nearest())

    def _nearest(self) -> str:
        item = next((item for item in self.advice if item.nearest is not None), None)
        if self.default_hint or item is None or not isinstance(item.nearest, str | int | float):
            return ""
        return f"The nearest value of {item.field} is {item.nearest!r}."


class UnsupportedParameter(InvalidParameter, code="unsupported_parameter", status=400):
    """Parameters that would not be sent as they are; raised where that was not to be done (``strict``)."""

    default_hint = "Leave them out, or ask without strict: they are then left out and the answer says so."


class InvalidIntent(InvalidRequest, code="invalid_intent", status=400):
    """The intent of a tool, or one that a model or a person states, is malformed."""

    default_hint = "An intent has a risk_level, a scope and a purpose (test_pass, best_practice, maintenance or none)."


class UnsupportedContent(InvalidRequest, code="unsupported_content", status=400):
    """The API has no form for such a document, picture or recording."""


class MediaRefused(CallerError, code="media_refused", status=413):
    """The file is too large, or its owner's store is full."""

    default_hint = "Delete chats with files that are not needed, or ask the operator for more space."


class UnknownMedia(CallerError, code="unknown_media", status=404):
    """The owner's media store has no such file."""


class OwnerRequired(CallerError, code="owner_required", status=400):
    """It is not clear whose sessions are meant."""

    default_hint = "Pass owner=, or call inside `with provider.acting_as(user):`."


class UnknownContext(CallerError, code="unknown_context", status=404):
    """The owner has no such context, or it has no such chunk."""


class ModelRequired(InvalidRequest, code="model_required", status=400):
    """The chat has no model, the request names none, and the provider has no default."""

    default_hint = "Choose a model in the chat's header."


class TurnRunning(CallerError, code="turn_running", status=409):
    """The answer is still being written."""

    default_hint = "Stop it first, or wait until it is done."


class TooManyRunning(CallerError, code="too_many_running", status=429):
    """The person has as many running answers as the settings allow."""

    default_hint = "Wait until one of them is done, or stop one."


class UnsupportedOperation(CallerError, code="unsupported_operation", status=501):
    """The provider, or this kind of login, cannot do what was asked."""


class SessionDisabled(CallerError, code="session_disabled", status=409):
    """The session is switched off."""

    default_hint = "Enable the session on its page, or use another one."


class LoginError(CallerError, code="login_error", status=400):
    """A sign-in that cannot go on as it is; the hint says which way is open."""


class UnknownLogin(LoginError, code="unknown_login", status=404):
    """The sign-in is missing, or was begun by another person or in another browser."""

    default_hint = "Begin the sign-in again, in this browser."


class LoginExpired(LoginError, code="login_expired", status=410):
    """The sign-in was not finished in time."""

    default_hint = "Begin the sign-in again; nothing was stored."


class LoginUsed(LoginError, code="login_used", status=409):
    """The sign-in has its answer, or is over; an answer can be given once."""

    default_hint = "Each sign-in takes one answer. Begin again for another one."


class LoginDenied(LoginError, code="login_denied", status=403):
    """The provider's page answered with an error: a refusal, or a cancelled sign-in."""

    default_hint = "Begin again and allow the access, or use another way to sign in."


class InvalidLoginAnswer(LoginError, code="invalid_login_answer", status=422):
    """The text or address is no answer to this sign-in, which still waits for one."""


class MissingScope(LoginError, code="missing_scope", status=403):
    """The account, or its organization, withheld a permission that the login is for."""


class WrongAccount(LoginError, code="wrong_account", status=409):
    """The person signed in with another account than the session has."""

    default_hint = "Confirm the other account, or sign in with the one that the session had."


class FlowDisabled(LoginError, code="flow_disabled", status=403):
    """The operator has not turned this sign-in on."""


class ListenerUnavailable(LoginError, code="listener_unavailable", status=409):
    """Every port that the answer could come to is taken."""

    default_hint = "Paste the address that you land on instead."


class NotRefreshable(CallerError, code="not_refreshable", status=409):
    """There is nothing to refresh with, or it belongs to another program."""


class RefreshTooEarly(CallerError, code="refresh_too_early", status=409):
    """The provider forbids a refresh before a time."""


class NeedsReauth(CallerError, code="needs_reauth", status=401):
    """The login does not work any more; only a new sign-in helps."""

    default_hint = "Sign in again on the session's page: the session keeps its name and its trail."

    @classmethod
    def hint_at(cls, page: str) -> str:
        """Return the hint with the address of the session's page, where that is known."""
        return cls.default_hint.replace("on the session's page", f"at {page}") if page else cls.default_hint


class AddressRefused(CallerError, code="address_refused", status=403):
    """The guard against SSRF forbids the address. ``pair`` is the ``host:port`` that could be allowed, if any."""

    pair: str = ""

    @classmethod
    def private(cls, pair: str) -> "AddressRefused":
        """Return the refusal of a private or reserved address, which the owner of the installation can allow."""
        error = cls(
            f"{pair} is a private address, and those are blocked by default.",
            hint=f"Allow it with `manage.py addresses allow {pair}` or MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS.",
        )
        error.pair = pair
        return error
