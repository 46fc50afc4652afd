"""Parameters that OpenAI's models accept."""

from providers_app.model_rules import OPENAI, ModelRules

BEHAVIOUR = ModelRules(OPENAI)
