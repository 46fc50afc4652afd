"""Errors that the provider, or the way to it, answered with."""

from typing import Any

import msgspec

from providers_app.errors.caller import ContextTooLong, ProviderError, Retry, Step
from providers_app.errors.sessions import NeedsReauth
from providers_app.types.events import ErrorInfo


class UpstreamError(ProviderError, code="upstream_error", status=502):
    """An answer of the provider, or a failure on the way to it.

    ``status`` is the HTTP status that was received (``None`` for an error inside a 200 or without an answer), ``type``
    and ``upstream_code`` are the provider's own words, ``retry_after`` is in seconds, ``body`` the first bytes of the
    answer for operators (never shown to users). ``sent`` is ``False`` where it is certain that nothing of the request
    left this machine.
    """

    why = "The provider's answer names no reason that Maestro knows."
    fix = "Read the message: it holds the provider's own words."
    step = Step.REGENERATE

    sent: bool = True

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        type: str | None = None,
        upstream_code: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.type, self.upstream_code = status, type, upstream_code
        self.retry_after, self.request_id, self.body = retry_after, request_id, body

    def info(self) -> ErrorInfo:
        own = {"type": self.type, "status": self.status, "upstream_code": self.upstream_code}
        return msgspec.structs.replace(super().info(), retry_after=self.retry_after, **own)


class BadRequest(UpstreamError, code="upstream_bad_request", status=400):
    """The provider says that the request is wrong."""

    why = "The provider does not take a value of the request."
    fix = "Change what the message names, or choose another model."


class PromptTooLong(BadRequest, code="context_too_long", status=400):
    """The provider counted more tokens than the model takes; the same code as when Maestro finds out before sending."""

    why = "The messages count more tokens than the model's context window has."
    step = Step.OPEN_PANEL
    default_hint = ContextTooLong.default_hint


class AuthenticationFailed(UpstreamError, code="upstream_authentication", status=401):
    """The provider does not accept the credential; ``mendable``: a later refresh may bring one that it accepts."""

    why = "The key or the login was revoked, has expired, or is not meant for this address."
    step = Step.RENEW
    mendable: bool = False
    default_hint = "The provider refused the key. Replace it on the session's page."


class TokenRefused(AuthenticationFailed, code="token_refused", status=401):
    """The token endpoint refused the token for good (``upstream_code``).

    ``skew`` is by how many seconds our clock is behind its own, where that is known.
    """

    why = "The refresh token was revoked, has expired, or was already used."
    step = Step.RENEW
    skew: float | None = None
    default_hint = NeedsReauth.default_hint


class BillingRequired(UpstreamError, code="upstream_billing", status=402):
    """The provider asks for payment; worth another try only where it says when (OpenRouter, as credits are settled)."""

    why = "The account has no credit left, or no payment method."
    default_hint = "The provider asks for payment. Check the account's billing page."

    def __init__(self, message: str, **given: Any) -> None:
        super().__init__(message, **given)
        if self.retry_after is not None:
            self.retry = Retry.AFTER_WAIT


class PermissionDenied(UpstreamError, code="upstream_permission", status=403):
    """The credential is good, but may not do this."""

    why = "The key is restricted, the model is not enabled for the account, or the region is not served."
    step = Step.OPEN_SESSION
    default_hint = "The key is known but may not do this. Check its permissions at the provider."


class NotFound(UpstreamError, code="upstream_not_found", status=404):
    """The address, or what it names, is not there."""

    why = "The base URL is wrong or incomplete (often `/v1` is missing), or the model does not exist."
    fix = "Check the session's base URL and the model."
    step = Step.OPEN_SESSION


class UnknownModel(NotFound, code="unknown_model", status=404):
    """The provider has no such model, or not for this login."""

    why = "The model's name is misspelt, it was switched off, or the account has no access to it."
    step = Step.CHOOSE_MODEL
    default_hint = "Choose a model from the session's list."


class RequestTimeout(UpstreamError, code="upstream_request_timeout", status=408, retry=Retry.NOW):
    """The provider waited too long for the request."""

    why = "The request reached the provider too slowly."
    fix = "Send it again."
    step = Step.REGENERATE


class Conflict(UpstreamError, code="upstream_conflict", status=409, retry=Retry.NOW):
    """The provider could not carry out the request at this moment."""

    why = "The provider was busy with another request for the same thing."
    fix = "Send it again."
    step = Step.REGENERATE


class RequestTooLarge(UpstreamError, code="upstream_request_too_large", status=413):
    """The provider takes no request of this size."""

    why = "The request with all its files has more bytes than the provider takes."
    step = Step.OPEN_PANEL
    default_hint = "Exclude or delete chunks in the context panel."


class RateLimited(UpstreamError, code="upstream_rate_limit", status=429, retry=Retry.AFTER_WAIT):
    """Too many requests or tokens in a short time; ``retry_after`` says how long to wait, where it is known."""

    why = "The provider limits requests or tokens per minute for the account."
    step = Step.RETRY
    default_hint = "Wait a moment, then retry."


class QuotaExhausted(RateLimited, code="upstream_quota", status=429, retry=Retry.NEVER):
    """The account's quota is used up; waiting a moment does not help."""

    step = Step.NONE
    why = "The plan's quota for the day or month has been used, or the account has no credit left."
    default_hint = "The account's quota is used up. Check its plan at the provider."


class ServerError(UpstreamError, code="upstream_server_error", status=500, retry=Retry.AFTER_WAIT):
    """The provider failed."""

    why = "An error inside the provider's service."
    step = Step.REGENERATE
    default_hint = "The provider failed. Retry in a moment."


class Overloaded(UpstreamError, code="upstream_overloaded", status=529, retry=Retry.AFTER_WAIT):
    """The provider has no capacity at the moment."""

    why = "Too many people use the service at this moment."
    step = Step.RETRY
    default_hint = "The provider is overloaded. Retry in a moment."


class ContentRefused(UpstreamError, code="upstream_content_filter", status=400):
    """The provider's content filter refused the request."""

    why = "The provider's filter found something in the messages that its rules forbid."
    fix = "Change the messages, or choose another model."
    default_hint = "The provider's content filter refused the request."


class ConnectionFailed(UpstreamError, code="connection_failed", status=502, retry=Retry.AFTER_WAIT):
    """No answer began: the host was not found, not reached, or closed the connection."""

    why = "The network is down, the host name or port is wrong, or the service is not running."
    step = Step.REGENERATE
    default_hint = "Check that the provider's address is right and reachable from this machine."


class UpstreamTimeout(UpstreamError, code="upstream_timeout", status=504, retry=Retry.AFTER_WAIT):
    """The provider was silent for longer than the settings allow."""

    why = "The provider accepted the request and sent nothing for longer than the limit."
    step = Step.REGENERATE
    default_hint = "The provider was silent for too long. Retry in a moment."


class StreamInterrupted(UpstreamError, code="stream_interrupted", status=502):
    """An answer began and broke off."""

    why = "The connection broke, or the provider closed it before the end of the answer."
    step = Step.REGENERATE
    default_hint = "What was received is kept. Regenerate for a whole answer."


class AnswerInterrupted(UpstreamError, code="interrupted", status=502):
    """The server that received an answer ended before it."""

    why = "The server that received the answer was stopped, restarted or lost its connection."
    fix = "What was received is saved. Regenerate for a whole answer."
    step = Step.REGENERATE


class BadAnswer(UpstreamError, code="upstream_bad_answer", status=502):
    """The body is no answer: HTML, empty, or not JSON."""

    why = "The base URL belongs to another service, or a proxy answers in its place."
    step = Step.OPEN_SESSION
    default_hint = "The address answered with something that is not a model's answer. Check the base URL."


class AnswerTooLarge(BadAnswer, code="answer_too_large", status=502):
    """The answer has more bytes or text than one may have."""

    why = "One answer is limited in bytes, text and events, so that a broken server cannot fill the memory."
    step = Step.REGENERATE
    default_hint = "Ask for a shorter answer, or check what answers at the base URL."


class InvalidIdToken(BadAnswer, code="invalid_id_token", status=502):
    """The id token is not signed, not for this client, or of another time."""

    why = "The provider's keys changed, this machine's clock is wrong, or the token was issued to another client."
    default_hint = "Sign in again; if it stays, the provider's id tokens cannot be used here."


class RefreshFailed(UpstreamError, code="refresh_failed", status=502, retry=Retry.AFTER_WAIT):
    """The access token ended and could not be refreshed for now; nothing is lost, a later try may work."""

    why = "The token endpoint could not be reached or answered with a temporary error."
    step = Step.OPEN_SESSION
    default_hint = "Maestro tries again by itself. The session's page says when."


class TokenOutcomeUnknown(UpstreamError, code="token_outcome_unknown", status=502):
    """A request to a token endpoint was sent and no answer could be read: a single-use token may be spent."""

    why = "The connection broke after the request was sent, so it is unknown whether the refresh token was used."
    step = Step.OPEN_SESSION
    default_hint = "The login is used while it works; what can still be saved is tried by itself."


class NotAdmitted(UpstreamError, code="not_admitted", status=503, retry=Retry.AFTER_WAIT):
    """Maestro did not send the request; ``retry_after`` says when it can be."""

    sent = False
    why = "Limits, a queue and a circuit breaker protect the provider's account and the other requests."
    step = Step.RETRY
    default_hint = "Wait until the time that the message names, or use another session."


class QueueFull(NotAdmitted, code="queue_full", status=429):
    """Too many requests wait for the session already."""

    why = "Requests come faster than the provider's account takes them."


class LimitReached(NotAdmitted, code="limit_reached", status=429):
    """The requests or tokens a minute of the session are used up for longer than a request may wait."""

    why = "The provider told how much it takes in a minute, or asked to wait; more would be refused."


class PersonLimitReached(LimitReached, code="person_limit_reached", status=429):
    """The requests or tokens a minute of the person are used up for longer than a request may wait."""

    why = "The owner of this server limits what each person may send in a minute, over all sessions."
    default_hint = "Wait until the time that the message names."


class QueueTimeout(NotAdmitted, code="queue_timeout", status=503):
    """No slot of the session came free while the request could wait."""

    why = "Requests of the session take long, or the provider's limits hold them back."


class CircuitOpen(NotAdmitted, code="circuit_open", status=503):
    """The provider failed too often in a short time and is not asked until a probe succeeds."""

    why = "Asking a provider that does not work delays every answer and makes its trouble worse."


class Cancelled(UpstreamError, code="cancelled", status=499):
    """The user pressed Stop."""

    why = "Stop was pressed, or the client closed the connection."
    fix = "Regenerate to start over."
    step = Step.REGENERATE
