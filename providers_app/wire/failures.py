"""From what the network raised to the typed error that people see; the reason never quotes an address or a header."""

import errno
import os
import ssl

from providers_app.errors import BadAnswer, ConnectionFailed, ProviderError, StreamInterrupted, UpstreamTimeout


class ConnectTimeout(TimeoutError):
    """No connection was made in time."""


class UnknownName(OSError):
    """A host name has no address; the text says why."""


class Broken(OSError):
    """The connection was closed before the answer was complete, or the server does not speak HTTP."""


class Undecodable(OSError):
    """The compression of a body could not be undone."""


_REASONS: dict[type[Exception], str] = {
    Broken: "the connection was closed before the answer was complete, or did not speak HTTP",
    ConnectionResetError: "the connection was reset",
    ConnectionRefusedError: "the connection was refused",
    ValueError: "the address or a header is not valid",
}


def as_provider_error(error: Exception, where: str, *, began: bool, idle_s: float) -> ProviderError:
    """``where`` is host and port, or "the ... provider"; ``began``: had bytes arrived?, ``idle_s`` the silence in s."""
    if isinstance(error, ProviderError):
        return error
    at_the_start = f"The {where.removeprefix('the ')}" if where.startswith("the ") else where
    if isinstance(error, TimeoutError):
        if isinstance(error, ConnectTimeout):
            return ConnectionFailed(f"No connection to {where} within {idle_s:g} s.")
        if began:
            return UpstreamTimeout(f"{at_the_start} went silent in the middle of the answer, for {idle_s:g} s.")
        return UpstreamTimeout(f"{at_the_start} did not answer within {idle_s:g} s.")
    if isinstance(error, Undecodable):
        return BadAnswer(f"{at_the_start} sent a body whose compression could not be undone.")
    if began:
        return StreamInterrupted(f"The connection to {where} broke off in the middle of the answer: {reason(error)}.")
    return ConnectionFailed(f"{at_the_start} could not be reached: {reason(error)}.")


def reason(error: BaseException) -> str:
    """Say in a few words why a connection failed, from the chain of causes."""
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            break
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its TLS certificate was not accepted ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(seen, OSError) and seen.errno is not None:
            return _os_reason(seen.errno)
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, UnknownName):
        return str(error)
    return next((words for kind, words in _REASONS.items() if isinstance(error, kind)), "the connection failed")


def _os_reason(number: int) -> str:
    if number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return _REASONS[ConnectionResetError]
    if number < 0 or number > 200:
        return "the name is not known"
    return _REASONS[ConnectionRefusedError] if number == errno.ECONNREFUSED else os.strerror(number).lower()
