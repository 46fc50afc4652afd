"""The time-outs of an answer, each by its name: the setting of that name is what was reached."""

from providers_app.errors.caller import Retry
from providers_app.errors.upstream import UpstreamTimeout


class FirstByteTimeout(UpstreamTimeout, code="first_byte_timeout", status=504, retry=Retry.AFTER_WAIT):
    """No answer began in time."""

    why = "The provider did not begin to answer within first_byte_timeout_s, or idle_timeout_s."


class IdleTimeout(UpstreamTimeout, code="idle_timeout", status=504, retry=Retry.AFTER_WAIT):
    """The answer went silent in its middle."""

    why = "Nothing of the answer came for idle_timeout_s."


class TotalTimeout(UpstreamTimeout, code="total_timeout", status=504, retry=Retry.NEVER):
    """The answer took longer than all of it may."""

    why = "The answer was not whole within total_timeout_s."
    fix = "Ask for a shorter answer, or raise the setting."
    default_hint = "The answer took longer than it may."
