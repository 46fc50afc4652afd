"""Refuses stored logins whose kind of sign-in was turned off: they are kept, and used again when it is on again."""

from providers_app.behaviours.oauth import enabled
from providers_app.errors import FlowDisabled, ProviderBroken, UnknownProvider, UnsupportedOperation
from providers_app.ports import Session
from providers_app.registry.resolver import resolve

RECHECK_S = 300.0
"""Seconds until the schedule checks a login again whose flow is off. A use need not wait once the flow is on."""


def why_off(provider: str, flow: str) -> FlowDisabled | None:
    """Return the error for a login of this flow; ``None`` when the flow is on, or its provider does not know it."""
    try:
        flows = resolve(provider, "oauth").flows if flow else ()
    except (ProviderBroken, UnknownProvider, UnsupportedOperation):
        return None  # the next request raises it
    return enabled.why_off(provider, flows, flow)


def require_on(session: Session) -> None:
    """Raise ``FlowDisabled``, with the setting that turns it on, for a session whose sign-in is off."""
    off = why_off(session.provider, session.flow)
    if off is not None:
        raise FlowDisabled(f"The session {session.name!r} is kept, but not used: {off.message}", hint=off.hint)
