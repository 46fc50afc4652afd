"""What OpenAI's models take of the parameters."""

from providers_app.advice.families.openai import RULES
from providers_app.behaviours.rules import ModelRules

BEHAVIOUR = ModelRules(RULES)
