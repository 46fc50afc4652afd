"""Errors of contexts and turns, as part of the provider core's tree."""

from providers_app.errors import CallerError, InvalidRequest, NotConfigured


class SessionRequired(InvalidRequest, code="session_required", status=400):
    """The chat has no session, and the request names none."""

    default_hint = "Choose a session in the chat's header, or connect one."


class ModelRequired(InvalidRequest, code="model_required", status=400):
    """The chat has no model, the request names none, and the provider has no default."""

    default_hint = "Choose a model in the chat's header."


class UnknownTurn(CallerError, code="unknown_turn", status=404):
    """No such turn in this chat."""


class TurnRunning(CallerError, code="turn_running", status=409):
    """The answer is still being written."""

    default_hint = "Stop it first, or wait until it is done."


class TooManyRunning(CallerError, code="too_many_running", status=429):
    """The person has as many running answers as the settings allow."""

    default_hint = "Wait until one of them is done, or stop one."


class ShuttingDown(NotConfigured, code="shutting_down", status=503):
    """The server is stopping and starts no turn."""

    default_hint = "Send it again in a moment."


class BadFrame(InvalidRequest, code="bad_frame", status=400):
    """The page sent something that is not a valid frame."""


class SignedOut(CallerError, code="signed_out", status=401):
    """The browser session is over, or the account was disabled."""

    default_hint = "Sign in again."
