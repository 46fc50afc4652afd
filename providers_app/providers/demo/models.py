"""Each script and each fault is a model, so that people can choose it in the browser."""

from urllib.parse import quote

from providers_app.behaviours.addresses import get
from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.openai_models import read_model
from providers_app.dialects.openai_chat import DIALECT

URL = "demo://local/v1/models"


BEHAVIOUR = ListedModels(
    sign=lambda credential, request: request,
    dialect=DIALECT,
    page=lambda credential, after: get(URL),
    one=lambda credential, model_id: get(f"{URL}/{quote(model_id, safe='')}"),  # composed names are not in the list
    read=read_model,
)
