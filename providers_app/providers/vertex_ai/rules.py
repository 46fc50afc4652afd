"""Rules of the models on Vertex AI: those of Google's and Anthropic's families."""

from providers_app.model_rules import CLAUDE, GEMINI
from providers_app.providers.vertex_ai import publishers
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule


class VertexRules:
    """The rules of both families; each knows its models."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Return all rules."""
        return (*GEMINI, *CLAUDE)

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the id without publisher and location. Raise ``InvalidRequest``."""
        return publishers.read(model).id


BEHAVIOUR = VertexRules()
"""The ``rules`` behaviour of Vertex AI."""
