"""Errors of contexts and turns, as part of the provider core's tree."""

from providers_app.errors import CallerError, InvalidRequest


class SessionRequired(InvalidRequest, code="session_required", status=400):
    """The chat has no session, and the request names none."""

    default_hint = "Choose a session in the chat's header, or connect one."


class UnknownTurn(CallerError, code="unknown_turn", status=404):
    """No such turn in this chat."""


class BadFrame(InvalidRequest, code="bad_frame", status=400):
    """The page sent something that is not a valid frame."""


class SignedOut(CallerError, code="signed_out", status=401):
    """The browser session is over, or the account was disabled."""

    default_hint = "Sign in again."
