"""Rules of the models on Vertex AI: those of Google's and Anthropic's families."""

from providers_app.model_rules import CLAUDE, GEMINI, ModelRules
from providers_app.providers.vertex_ai.requests import model_of

BEHAVIOUR = ModelRules((*GEMINI, *CLAUDE), vendor_id=lambda model, credential: model_of(model).id)
