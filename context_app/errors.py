"""Errors of contexts and turns, as part of the provider core's tree."""

from providers_app.errors import CallerError, InvalidRequest, NotConfigured


class SessionRequired(InvalidRequest):
    """The chat has no session, and the request names none."""

    code, http_status = "session_required", 400
    default_hint = "Choose a session in the chat's header, or connect one."


class ModelRequired(InvalidRequest):
    """The chat has no model, the request names none, and the provider has no default."""

    code, http_status = "model_required", 400
    default_hint = "Choose a model in the chat's header."


class UnknownTurn(CallerError):
    """No such turn in this chat."""

    code, http_status = "unknown_turn", 404


class TurnRunning(CallerError):
    """The answer is still being written."""

    code, http_status = "turn_running", 409
    default_hint = "Stop it first, or wait until it is done."


class TooManyRunning(CallerError):
    """The person has as many running answers as the settings allow."""

    code, http_status = "too_many_running", 429
    default_hint = "Wait until one of them is done, or stop one."


class ShuttingDown(NotConfigured):
    """The server is stopping and starts no turn."""

    code, http_status = "shutting_down", 503
    default_hint = "Send it again in a moment."


class BadFrame(InvalidRequest):
    """The page sent something that is not a valid frame."""

    code, http_status = "bad_frame", 400
    default_hint = ""


class SignedOut(CallerError):
    """The browser session is over, or the account was disabled."""

    code, http_status = "signed_out", 401
    default_hint = "Sign in again."
