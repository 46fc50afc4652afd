"""Each script and each fault is a model, so that people can choose it in the browser."""

from urllib.parse import quote

from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.openai_models import read_model
from providers_app.dialects.openai_chat import DIALECT
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

URL = "demo://local/v1/models"


def _unsigned(credential: Credential, request: HttpRequest) -> HttpRequest:
    return request


def _page(credential: Credential, after: str | None) -> HttpRequest:
    return HttpRequest(method="GET", url=URL, headers={"accept": "application/json"})


def _one(credential: Credential, model_id: str) -> HttpRequest:
    """Composed names that are not in the list are known here too."""
    return HttpRequest(method="GET", url=f"{URL}/{quote(model_id, safe='')}", headers={"accept": "application/json"})


BEHAVIOUR = ListedModels(sign=_unsigned, dialect=DIALECT, page=_page, one=_one, read=read_model)
