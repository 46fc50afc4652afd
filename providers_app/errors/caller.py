"""The root of all errors, the three that are about the installation, and those of a call that is wrong by itself."""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from providers_app.types.advice import Advice
from providers_app.types.events import ErrorInfo, LeftRoute

SAID = 5
"""Findings that the message of an error says; ``advice`` has them all."""


class Retry(StrEnum):
    """Permission to send the same request again; never used after the first visible output."""

    NEVER = "never"
    AFTER_WAIT = "after_wait"
    NOW = "now"


class Step(StrEnum):
    """The next step of a person about an error: the button or link beside it, whose text is ``label``."""

    label: str

    def __new__(cls, value: str, label: str) -> "Step":
        """Make a member of a value and a label."""
        member = str.__new__(cls, value)
        member._value_, member.label = value, label
        return member

    NONE = "none", ""
    RENEW = "renew", "Sign in again"
    OPEN_SESSION = "open_session", "Open session"
    CHOOSE_SESSION = "choose_session", "Choose session"
    CHOOSE_MODEL = "choose_model", "Choose model"
    OPEN_PANEL = "open_panel", "Open context panel"
    RETRY = "retry", "Retry now"
    REGENERATE = "regenerate", "Regenerate"


class ProviderError(Exception):
    """An error without a code of its own; the root of the tree.

    ``message`` says what happened, ``hint`` what to do. ``why`` and ``fix`` hold for every error of a class: the usual
    cause, and the remedy where ``default_hint`` is not it. ``docs/troubleshooting.md`` is made of them.
    """

    why: ClassVar[str] = "Something failed inside Maestro."
    fix: ClassVar[str] = "Look into the server's log for the traceback, and report it."
    step: ClassVar[Step] = Step.NONE

    code: ClassVar[str] = "provider_error"
    http_status: ClassVar[int] = 500
    retry: Retry = Retry.NEVER
    default_hint: ClassVar[str] = ""
    context_id: str | None = None
    """The stored context that the call was about, where there was one."""
    left: tuple[LeftRoute, ...] = ()
    """The routes of an alias, none of which answered."""

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


class InternalError(ProviderError, code="internal_error", status=500):
    """The code that receives an answer failed."""

    why = "The code that handles the answer failed. The traceback is in the server's log."
    fix = "Regenerate the answer. If it happens again, report it with the traceback."
    step = Step.REGENERATE


class NotConfigured(ProviderError, code="not_configured", status=503):
    """A part of the installation is missing: a store, the key ring."""

    why = "The installation is incomplete, or a call was made before Maestro had started."
    fix = "Run `manage.py check` and open /readyz."


class ProviderBroken(ProviderError, code="provider_broken", status=503):
    """The package of a provider does not load or comply."""

    why = "The code of a provider package is missing a part or does not match the interface."
    default_hint = "Run `manage.py check --tag providers`."


class ShuttingDown(NotConfigured, code="shutting_down", status=503):
    """The server is stopping and starts no turn."""

    why = "The server was stopped or is restarting."
    step = Step.RETRY
    default_hint = "Send it again in a moment."


class CallerError(ProviderError, code="caller_error", status=400):
    """The call itself is wrong."""

    why = "A value of the call cannot be right."
    fix = "Read the message: it names the value."


class UnknownProvider(CallerError, code="unknown_provider", status=404):
    """No installed package has this slug."""

    why = "The name is misspelt, or the provider's package is not installed."
    fix = "`manage.py sessions providers` lists the installed ones."


class InvalidRequest(CallerError, code="invalid_request", status=400):
    """An argument is wrong, or does not fit the others."""

    why = "Two arguments exclude each other, or a value is out of range."
    fix = "Read the message: it names the argument."


class EmptyPrompt(InvalidRequest, code="empty_prompt", status=400):
    """There is no message to answer."""

    why = "The message is empty, or all messages were excluded in the context panel."
    default_hint = "Write a message first."


class ContextTooLong(InvalidRequest, code="context_too_long", status=400):
    """The request would not fit into the model's window; nothing was sent."""

    why = "The chunks that are sent count more tokens than the model's context window has."
    step = Step.OPEN_PANEL
    default_hint = "Exclude or delete chunks in the context panel, or choose a model with a larger window."


class InvalidParameter(InvalidRequest, code="invalid_parameter", status=400):
    """Parameters have values that cannot be sent; ``advice`` says of each what is wrong with it and why."""

    why = "The model does not take such a value."
    fix = "Use a value that the message names, or leave the parameter out."

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
    """Parameters would not be sent as they are; raised where that was not to be done (``strict``)."""

    why = "The provider or the model has no such parameter."
    default_hint = "Leave them out, or ask without strict: they are then left out and the answer says so."


class InvalidIntent(InvalidRequest, code="invalid_intent", status=400):
    """The intent of a tool, or one that a model or a person states, is malformed."""

    why = "A tool must say what it is for, in a form that an audit can read."
    default_hint = "An intent has a risk_level, a scope and a purpose (test_pass, best_practice, maintenance or none)."


class UnsupportedContent(InvalidRequest, code="unsupported_content", status=400):
    """The API has no form for such a document, picture or recording."""

    why = "Not every model reads every kind of file."
    fix = "Convert the file, or choose a model that reads it."
    step = Step.CHOOSE_MODEL


class MediaRefused(CallerError, code="media_refused", status=413):
    """The file is too large, or its owner's store is full."""

    why = "Stored files are limited in size, each and for each person."
    default_hint = "Delete chats with files that are not needed, or ask the operator for more space."


class UnknownMedia(CallerError, code="unknown_media", status=404):
    """The owner's media store has no such file."""

    why = "The file was deleted with its chat, or belongs to another person."
    fix = "Generate or upload it again."


class OwnerRequired(CallerError, code="owner_required", status=400):
    """It is not clear whose sessions are meant."""

    why = "There are several people on this server, and the call names none of them."
    default_hint = "Pass owner=, or call inside `with provider.acting_as(user):`."


class UnknownContext(CallerError, code="unknown_context", status=404):
    """The owner has no such context, or it has no such chunk."""

    why = "The chat or chunk was deleted, or belongs to another person."
    fix = "`manage.py contexts list` and the Chats page list yours."


class ModelRequired(InvalidRequest, code="model_required", status=400):
    """The chat has no model, the request names none, and the provider has no default."""

    why = "The provider lists no model that could be taken as a default."
    step = Step.CHOOSE_MODEL
    default_hint = "Choose a model in the chat's header."


class TurnRunning(CallerError, code="turn_running", status=409):
    """The answer is still being written."""

    why = "A chat has one running answer at a time."
    default_hint = "Stop it first, or wait until it is done."


class CannotContinue(CallerError, code="cannot_continue", status=409):
    """A broken answer cannot go on in the way that was asked for."""

    why = "How an answer goes on is declared for each provider and model, and a whole tool call is never repeated."
    step = Step.REGENERATE
    default_hint = "Choose another way, or ask again for a whole answer."


class TooManyRunning(CallerError, code="too_many_running", status=429):
    """The person has as many running answers as the settings allow."""

    why = "The number of answers that run at once is limited for each person (MAESTRO_CHAT__RUNNING_PER_PERSON)."
    default_hint = "Wait until one of them is done, or stop one."


class UnsupportedOperation(CallerError, code="unsupported_operation", status=501):
    """The provider, or this kind of login, cannot do what was asked."""

    why = "The provider's API has no such operation, or not for this auth type."
    fix = "Use a session of another provider or auth type."


class AddressRefused(CallerError, code="address_refused", status=403):
    """The guard against SSRF forbids the address. ``pair`` is the ``host:port`` that could be allowed, if any."""

    why = "Addresses of private networks are blocked by default, so that Maestro is no way into a network."
    fix = "The owner of the installation can allow the address if it is meant to be reached."
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
