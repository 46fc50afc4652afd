"""May a stored login still be used? Its kind of sign-in may have been turned off since it was made.

Turning a restricted flow off ends the use of what it gave, not only new sign-ins: nothing is signed with such a login
and nothing of it is refreshed. The login itself stays as it is, and works again when the flow is on again.
"""

from providers_app.behaviours.oauth.enabled import why_disabled
from providers_app.errors import FlowDisabled, ProviderBroken, UnknownProvider, UnsupportedOperation
from providers_app.ports import Session
from providers_app.registry.resolver import resolve

LOOK_AGAIN_S = 300.0
"""When the schedule comes back to a login whose flow is off. A use does not wait for that once the flow is on."""


def why_off(provider: str, flow: str) -> FlowDisabled | None:
    """Why a login of this flow is not used now; ``None`` where it may be.

    A flow that the provider does not know (its package is another version, or gone) is nothing that was turned off.
    """
    try:
        flows = resolve(provider, "oauth").flows if flow else ()
    except (ProviderBroken, UnknownProvider, UnsupportedOperation):
        return None  # whoever asks next is told
    found = next((each for each in flows if each.name == flow), None)
    return why_disabled(provider, found) if found is not None else None


def require_on(session: Session) -> None:
    """Raises ``FlowDisabled`` for a session whose sign-in is off, with the setting that turns it on."""
    off = why_off(session.provider, session.flow)
    if off is not None:
        raise FlowDisabled(f"The session {session.name!r} is kept, but not used: {off.message}", hint=off.hint)
