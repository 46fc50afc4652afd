"""The outcome of a call, handed to the session store afterwards and never on the caller's time."""

import logging

from providers_app import errors, ports
from providers_app.errors import UpstreamError
from providers_app.types.events import ErrorInfo

logger = logging.getLogger("maestro.dispatcher")


def report(session: ports.Session, error: Exception | None) -> None:
    """Tell the store how a use of the session went; a store that fails is logged and changes nothing else."""
    try:
        ports.session_store().report_outcome(session, error)
    except Exception:
        logger.exception("the outcome of session %s could not be recorded", session.id)


def error_of(info: ErrorInfo) -> UpstreamError:
    """The typed error that an error inside a stream stands for, by its stable code."""
    kind = _by_code().get(info.code, UpstreamError)
    return kind(
        info.message,
        hint=info.hint,
        status=info.status,
        type=info.type,
        retry_after=info.retry_after,
        upstream_code=info.upstream_code,
    )


def _by_code() -> dict[str, type[UpstreamError]]:
    found: dict[str, type[UpstreamError]] = {}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, UpstreamError):
            found[kind.code] = kind
    return found
