"""``GET /models``; single models are looked for in the list, because many servers have no page for one."""

from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.openai_models import read_model
from providers_app.dialects.openai_chat import DIALECT
from providers_app.providers.remote import api_key
from providers_app.providers.remote.requests import get

BEHAVIOUR = ListedModels(
    sign=api_key.BEHAVIOUR.authorize,
    dialect=DIALECT,
    page=lambda credential, after: get("/models", credential),
    read=read_model,
)
