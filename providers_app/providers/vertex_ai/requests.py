"""Addresses of requests to Vertex AI. Hosts as in google-genai's ``_api_client.py``:

    a region                            {location}-aiplatform.googleapis.com
    us, eu                              aiplatform.{location}.rep.googleapis.com
    global, and keys of express mode    aiplatform.googleapis.com

A location is judged before it becomes part of a host. A session's own base URL counts for a person's own key only:
tokens, this machine's identity among them, go to Google or to where the operator said.
"""

import re
from typing import Any

from providers_app import conf
from providers_app.behaviours.addresses import post
from providers_app.errors import InvalidRequest, UnsupportedOperation
from providers_app.providers.vertex_ai import publishers
from providers_app.providers.vertex_ai.config import LOCATION, PROJECT, Config
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "vertex_ai"
PROBE = b'{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}'
GLOBAL = "global"
MULTI_REGIONS = ("us", "eu")
VERSION = re.compile(r"/v\d+[a-z0-9]*$")
_LOCATION = re.compile(LOCATION)
_PROJECT = re.compile(PROJECT)


def settings() -> Config:
    """Return the provider's configuration."""
    found: Config = conf.provider(SLUG)
    return found


def call_url(model: publishers.Model, method: str, credential: Credential) -> str:
    """Return the URL of one method of a model.

    Raises ``UnsupportedOperation`` for a model that a key of express mode does not reach, ``InvalidRequest`` for a
    location or a project that cannot be one.
    """
    version = getattr(settings(), model.publisher.version)
    resource = f"publishers/{model.publisher.name}/models/{model.id}:{method}"
    if credential.auth_type == "api_key":
        if not model.publisher.express:
            raise UnsupportedOperation(
                f"A key of express mode reaches Google's own models only, not {model.publisher.title}'s ({model.id}).",
                hint="Connect Vertex AI with a service account instead.",
            )
        return f"{_base(credential, GLOBAL, version)}/{resource}"
    location = model.location or location_of(credential)
    project = project_of(credential)
    return f"{_base(credential, location, version)}/projects/{project}/locations/{location}/{resource}"


def list_url(publisher: str, rest: str, credential: Credential) -> str:
    """Return the URL of a publisher's models, which are the same for every project."""
    base = _base(credential, location_of(credential), settings().list_api_version)
    return f"{base}/publishers/{publisher}/models{rest}"


def location_of(credential: Credential) -> str:
    """Return the session's location, else the configured one. Raise ``InvalidRequest``."""
    return checked_location(credential.settings.get("location") or settings().location)


def checked_location(location: str) -> str:
    """``location`` when it can be one. Raises ``InvalidRequest``, which quotes nothing: it may be a misplaced key."""
    if not _LOCATION.fullmatch(location):
        raise InvalidRequest(
            "The location is not a location of Vertex AI.",
            hint="Locations are global, us, eu, or a region such as europe-west4.",
        )
    return location


def project_of(credential: Credential) -> str:
    """Return the session's project, else the configured one. Raise ``InvalidRequest``."""
    project = credential.settings.get("project") or settings().project
    if not project:
        raise InvalidRequest(
            "This session names no project of Google Cloud.",
            hint="Sign in again and give the project, or set MAESTRO_PROVIDERS__VERTEX_AI__PROJECT.",
        )
    return checked_project(project)


def checked_project(project: str) -> str:
    """``project`` when it can be the id of one. Raises ``InvalidRequest``, which quotes nothing of it."""
    if not _PROJECT.fullmatch(project):
        raise InvalidRequest(
            "The project is not the id of a Google Cloud project.",
            hint="Its id is shown in the console's list of projects, for example my-project-123.",
        )
    return project


def host_of(location: str) -> str:
    """Google's host for a location that was checked."""
    if location == GLOBAL:
        return "aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _base(credential: Credential, location: str, version: Any) -> str:
    own = credential.base_url if credential.auth_type == "api_key" else None
    base = (own or settings().base_url).rstrip("/") or f"https://{host_of(location)}"
    return base if VERSION.search(base) else f"{base}/{version}"


def probe(credential: Credential) -> HttpRequest:
    """Return the cheapest request that needs a valid login, an enabled API and the right to ask models.

    It counts one word, without its credential. Raises ``InvalidRequest`` where the session names no project.
    """
    return post(call_url(publishers.read(settings().test_model), "countTokens", credential), PROBE)
