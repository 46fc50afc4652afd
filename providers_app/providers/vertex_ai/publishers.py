"""The publishers of models, as data, and the names that a person may use for them.

``gemini-2.5-pro`` and ``claude-opus-5`` are known by how they begin; ``anthropic/claude-opus-5`` and
``publishers/anthropic/models/claude-opus-5`` say it. ``locations/us-east5/publishers/...`` asks one model in another
location than the session's, because few locations serve all of them.
"""

import re
from functools import lru_cache

import msgspec

from providers_app.errors import InvalidRequest
from providers_app.providers.vertex_ai.config import LOCATION
from providers_app.text import nearest, quoted


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
def read(name: str) -> Model:
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
