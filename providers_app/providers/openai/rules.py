"""What OpenAI's models take of the parameters."""

from providers_app.behaviours.rules import ModelRules
from providers_app.model_rules import OPENAI

BEHAVIOUR = ModelRules(OPENAI)
