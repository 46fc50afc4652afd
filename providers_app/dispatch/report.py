"""The outcome of a call, handed to the session store afterwards and never on the caller's time."""

import logging

from providers_app import ports

logger = logging.getLogger("maestro.dispatcher")


def report(session: ports.Session, error: Exception | None) -> None:
    """Tell the store how a use of the session went; a store that fails is logged and changes nothing else."""
    try:
        ports.session_store().report_outcome(session, error)
    except Exception:
        logger.exception("the outcome of session %s could not be recorded", session.id)
