"""Parameters that the models behind deployments accept: OpenAI's rules."""

from providers_app.model_rules import OPENAI
from providers_app.providers.azure_openai.requests import deployments
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule


class AzureRules:
    """The family's rules, by the model that the session says its deployment has."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Return all rules; each knows its models."""
        return OPENAI

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the model behind a deployment; without one, the deployment may be called like its model."""
        return deployments(credential).get(model) or model


BEHAVIOUR = AzureRules()
"""The ``rules`` behaviour of Azure OpenAI."""
