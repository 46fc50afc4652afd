"""What the models on Vertex AI take of the parameters: they are Google's and Anthropic's, by whatever name."""

from providers_app.model_rules import CLAUDE, GEMINI
from providers_app.providers.vertex_ai import publishers
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule


class VertexRules:
    """The rules of both families; each knows its models."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """All of them."""
        return (*GEMINI, *CLAUDE)

    def underlying(self, model: str, credential: Credential) -> str:
        """The id without publisher and location. Raises ``InvalidRequest``."""
        return publishers.read(model).id


BEHAVIOUR = VertexRules()
"""The ``rules`` behaviour of Vertex AI."""
