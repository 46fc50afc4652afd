"""Parameters that Gemini's models accept."""

from providers_app.model_rules import GEMINI, ModelRules

BEHAVIOUR = ModelRules(GEMINI)
