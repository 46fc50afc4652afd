"""Parameters that Claude accepts, and what the API version that is asked for does not know any more."""

from providers_app import conf
from providers_app.model_rules import CLAUDE, ModelRules, without_sampling
from providers_app.types.rules import ModelRule

WITHOUT_SAMPLING = "2026-10-21"
"""The first API version without sampling parameters (platform.claude.com/docs/en/api/versioning)."""


def _of_version(model: str) -> tuple[ModelRule, ...]:
    version: str = conf.provider("anthropic").api_version
    if version < WITHOUT_SAMPLING:  # versions are dates
        return ()
    return (without_sampling(f"The API version {version} has no sampling parameters."),)


BEHAVIOUR = ModelRules(CLAUDE, more=_of_version)
