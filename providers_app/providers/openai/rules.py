"""What OpenAI's models take of the parameters."""

from providers_app.model_rules import OPENAI, ModelRules

BEHAVIOUR = ModelRules(OPENAI)
