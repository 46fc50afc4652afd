"""``GET /models``: one page; it says when a model is shut down, but neither its window nor what it can do."""

from providers_app.behaviours.addresses import segment
from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.openai_models import read_model
from providers_app.dialects.openai_responses import DIALECT
from providers_app.providers.openai import api_key
from providers_app.providers.openai.requests import get

BEHAVIOUR = ListedModels(
    sign=api_key.BEHAVIOUR.authorize,
    dialect=DIALECT,
    page=lambda credential, after: get("/models", credential),
    read=read_model,
    one=lambda credential, model_id: get(f"/models/{segment(model_id)}", credential),
)
