"""Refuses stored logins whose kind of sign-in was turned off since.

Turning a restricted flow off also ends the use of its logins: no request is signed with them and none is refreshed.
They are kept, and work again when the flow is on again.
"""

from providers_app.behaviours.oauth import enabled
from providers_app.errors import FlowDisabled, ProviderBroken, UnknownProvider, UnsupportedOperation
from providers_app.ports import Session
from providers_app.registry.resolver import resolve

RECHECK_S = 300.0
"""Seconds until the schedule checks a login again whose flow is off. A use need not wait once the flow is on."""


def why_off(provider: str, flow: str) -> FlowDisabled | None:
    """Return the error for a login of this flow; ``None`` when the flow is on.

    A flow that the provider does not know (its package is another version, or gone) does not count as turned off.
    """
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
