"""Errors of contexts and turns, as part of the provider core's tree."""

from providers_app.errors import CallerError, InvalidRequest, Step


class SessionRequired(InvalidRequest, code="session_required", status=400):
    """The chat has no session, and the request names none."""

    why = "The chat's session was deleted, or none was chosen."
    step = Step.CHOOSE_SESSION
    default_hint = "Choose a session in the chat's header, or connect one."


class UnknownTurn(CallerError, code="unknown_turn", status=404):
    """No such turn in this chat."""

    why = "The message was deleted, or belongs to another chat."
    fix = "Reload the page."


class BadFrame(InvalidRequest, code="bad_frame", status=400):
    """The page sent something that is not a valid frame."""

    why = "The page and the server have different versions, or a program sent the frame."
    fix = "Reload the page."


class FrameTooLarge(BadFrame, code="frame_too_large", status=413):
    """A message has more bytes than one frame may have."""

    why = "One message may have some megabytes at most."
    fix = "Put the larger part into a note of the context panel."


class SignedOut(CallerError, code="signed_out", status=401):
    """The browser session is over, or the account was disabled."""

    why = "The browser session ended, or an administrator disabled the account."
    default_hint = "Sign in again."


class TooManyConnections(CallerError, code="too_many_connections", status=429):
    """The person has as many chats open in this process as the settings allow."""

    why = "The number of open chats is limited for each person (MAESTRO_CONTEXT__MAX_CONNECTIONS_PER_OWNER)."
    default_hint = "Close chats in other tabs, then reload this page."
