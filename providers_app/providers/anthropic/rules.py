"""Parameters that Claude accepts, and what the API version that is asked for does not know any more."""

from providers_app import conf
from providers_app.model_rules import CLAUDE, without_sampling
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule

WITHOUT_SAMPLING = "2026-10-21"
"""The first API version without sampling parameters (platform.claude.com/docs/en/api/versioning)."""


class AnthropicRules:
    """The family's rules, after those of the API version."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Versions are dates, so that a later one is known by comparing."""
        version: str = conf.provider("anthropic").api_version
        if version < WITHOUT_SAMPLING:
            return CLAUDE
        return (without_sampling(f"The API version {version} has no sampling parameters."), *CLAUDE)

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the name itself."""
        return model


BEHAVIOUR = AnthropicRules()
