"""What Gemini's models take of the parameters."""

from providers_app.model_rules import GEMINI, ModelRules

BEHAVIOUR = ModelRules(GEMINI)
