"""Which restricted flows the operator has turned on, and how to turn one on."""

from providers_app import conf
from providers_app.behaviours.oauth import OAuthFlow
from providers_app.errors import FlowDisabled


def is_enabled(slug: str, flow: OAuthFlow) -> bool:
    """Only a restricted flow must be named in the provider's ``enabled_flows``."""
    return not flow.restricted or flow.name in _named(slug)


def setting_for(slug: str, name: str) -> str:
    """The setting that turns this flow on and leaves on what is on: ``MAESTRO_..._ENABLED_FLOWS=...``."""
    return f"MAESTRO_PROVIDERS__{slug.upper()}__ENABLED_FLOWS={','.join((*_named(slug), name))}"


def why_disabled(slug: str, flow: OAuthFlow) -> FlowDisabled | None:
    """The error that names the vendor's position and the setting to change; ``None`` for a flow that is on."""
    if is_enabled(slug, flow):
        return None
    position = " ".join(part for part in (flow.position, flow.position_url) if part)
    return FlowDisabled(
        f"The sign-in '{flow.label}' is off here. {position}".rstrip(),
        hint=f"Whoever runs Maestro can turn it on with {setting_for(slug, flow.name)}.",
    )


def _named(slug: str) -> tuple[str, ...]:
    return tuple(getattr(conf.provider(slug), "enabled_flows", ()))
