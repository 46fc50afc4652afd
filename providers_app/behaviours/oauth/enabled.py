"""The restricted flows that the operator has enabled, and the setting that enables one."""

from collections.abc import Iterable

from providers_app import conf
from providers_app.behaviours.oauth import OAuthFlow
from providers_app.errors import FlowDisabled


def is_enabled(slug: str, flow: OAuthFlow) -> bool:
    """Say whether a flow may be used: a restricted one must be named in the provider's ``enabled_flows``."""
    return not flow.restricted or flow.name in _named(slug)


def setting_for(slug: str, name: str) -> str:
    """Return the setting that enables this flow beside those that are enabled: ``MAESTRO_..._ENABLED_FLOWS=...``."""
    return f"MAESTRO_PROVIDERS__{slug.upper()}__ENABLED_FLOWS={','.join((*_named(slug), name))}"


def why_disabled(slug: str, flow: OAuthFlow) -> FlowDisabled | None:
    """Return the error that names the vendor's position and the setting to change; ``None`` for an enabled flow."""
    if is_enabled(slug, flow):
        return None
    position = " ".join(part for part in (flow.position, flow.position_url) if part)
    return FlowDisabled(
        f"The sign-in '{flow.label}' is off here. {position}".rstrip(),
        hint=f"An administrator can turn it on with {setting_for(slug, flow.name)}.",
    )


def why_off(slug: str, flows: Iterable[OAuthFlow], name: str) -> FlowDisabled | None:
    """Return the same for the flow of that name; ``None`` also where there is none."""
    return next((why_disabled(slug, flow) for flow in flows if flow.name == name), None)


def require_enabled(slug: str, flows: Iterable[OAuthFlow], name: str) -> None:
    """Raise ``FlowDisabled`` for a flow that is off: turning one off also ends the logins that it made."""
    if (off := why_off(slug, flows, name)) is not None:
        raise off


def _named(slug: str) -> tuple[str, ...]:
    return tuple(getattr(conf.provider(slug), "enabled_flows", ()))
