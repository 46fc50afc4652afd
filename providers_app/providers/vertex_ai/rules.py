"""Rules of the models on Vertex AI: those of Google's and Anthropic's families."""

from providers_app.model_rules import CLAUDE, GEMINI, ModelRules
from providers_app.providers.vertex_ai import publishers

BEHAVIOUR = ModelRules((*GEMINI, *CLAUDE), vendor_id=lambda model, credential: publishers.read(model).id)
