"""What Gemini's models take of the parameters."""

from providers_app.advice.families.gemini import RULES
from providers_app.behaviours.rules import ModelRules

BEHAVIOUR = ModelRules(RULES)
