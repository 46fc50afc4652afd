"""Addresses of requests to Vertex AI. Hosts as in google-genai's ``_api_client.py``:

    a region                            {location}-aiplatform.googleapis.com
    us, eu                              aiplatform.{location}.rep.googleapis.com
    global, and keys of express mode    aiplatform.googleapis.com

A location is judged before it becomes part of a host. A session's own base URL counts for a person's own key only:
tokens, this machine's identity among them, go to Google or to where the operator said.

A model is named with or without its publisher (``claude-opus-5``, ``anthropic/claude-opus-5``), also as
``publishers/anthropic/models/claude-opus-5``; ``locations/us-east5/publishers/...`` asks one model in another location
than the session's, because few locations serve all of them.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.addresses import post
from providers_app.behaviours.credentials.google.authority import checked_project
from providers_app.errors import InvalidRequest, UnsupportedOperation
from providers_app.providers.vertex_ai.config import LOCATION, Config
from providers_app.text import nearest, quoted
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "vertex_ai"
PROBE = b'{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}'
GLOBAL = "global"
VERSION = re.compile(r"/v\d+[a-z0-9]*$")
_LOCATION = re.compile(LOCATION)


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """``whole`` and ``streamed`` are the methods of an answer, ``version`` names the setting with the API's version.

    Ids begin with one of ``begins``; those with one of ``without`` in them are no models to talk to. ``dated`` ids
    carry their version behind an ``@``. ``express``: a key of express mode is enough.
    """

    name: str
    title: str
    begins: tuple[str, ...]
    whole: str
    streamed: str
    version: str
    without: tuple[str, ...] = ()
    dated: bool = False
    express: bool = False


GOOGLE = Publisher(
    name="google",
    title="Google",
    begins=("gemini-",),
    whole="generateContent",
    streamed="streamGenerateContent?alt=sse",
    version="api_version",
    without=("embedding", "-live", "native-audio", "-tts"),
    express=True,
)
ANTHROPIC = Publisher(
    name="anthropic",
    title="Anthropic",
    begins=("claude-",),
    whole="rawPredict",
    streamed="streamRawPredict",
    version="claude_api_version",
    dated=True,
)
PUBLISHERS = {each.name: each for each in (GOOGLE, ANTHROPIC)}
_ID = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,149}"
_FULL = re.compile(
    rf"(?:locations/(?P<location>{LOCATION})/)?publishers/(?P<publisher>[^/]*)/models/(?P<id>{_ID})"
    rf"|(?P<short>[^/]*)/(?P<short_id>{_ID})"
    rf"|(?P<bare>{_ID})"
)
_FORMS = "Names are like gemini-2.5-pro, anthropic/claude-opus-5 or publishers/google/models/gemini-2.5-pro."


class Model(msgspec.Struct, frozen=True):
    """A model by its publisher; ``location`` is empty where the session's holds."""

    publisher: Publisher
    id: str
    location: str = ""


@lru_cache(maxsize=1024)
def model_of(name: str) -> Model:
    """Parse the name of a model. Raise ``InvalidRequest``: another publisher, or no name of a model."""
    found = _FULL.fullmatch(name.removeprefix("models/"))
    if found is None:
        raise InvalidRequest(f"{quoted(name)} is not the name of a model.", hint=_FORMS)
    model_id = found["id"] or found["short_id"] or found["bare"]
    publisher = found["publisher"] or found["short"]
    if publisher is None:
        # Google has most of the models, so that others are taken for its own.
        begun = (each for each in PUBLISHERS.values() if model_id.startswith(each.begins))
        return Model(next(begun, GOOGLE), model_id)
    if publisher not in PUBLISHERS:
        raise InvalidRequest(
            f"Models of the publisher {quoted(publisher)} are not supported on Vertex AI.",
            hint=nearest(publisher, PUBLISHERS),
        )
    return Model(PUBLISHERS[publisher], model_id, found["location"] or "")


def settings() -> Config:
    """Return the provider's configuration."""
    found: Config = conf.provider(SLUG)
    return found


def call_url(model: Model, method: str, credential: Credential) -> str:
    """Return the URL of a model's method. Raise ``InvalidRequest``, ``UnsupportedOperation`` in express mode."""
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
    """Return a valid location. Raise ``InvalidRequest``, which quotes nothing: it may be a misplaced key."""
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


def host_of(location: str) -> str:
    """Return Google's host for a location that was checked."""
    match location:
        case "global":
            return "aiplatform.googleapis.com"
        case "us" | "eu":
            return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _base(credential: Credential, location: str, version: Any) -> str:
    own = credential.base_url if credential.auth_type == "api_key" else None
    base = (own or settings().base_url).rstrip("/") or f"https://{host_of(location)}"
    return base if VERSION.search(base) else f"{base}/{version}"


def probe(credential: Credential) -> HttpRequest:
    """Return the unsigned request that tests a login: the count of one word. Raise ``InvalidRequest``."""
    return post(call_url(model_of(settings().test_model), "countTokens", credential), PROBE)
