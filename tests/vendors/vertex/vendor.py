"""The endpoints below ``projects/.../locations/...``, those of express mode, and the publishers' lists."""

import re
from typing import Any

from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.auth import Book
from tests.vendors.gemini.errors import error_reply, key_details
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.plan import read_plan
from tests.vendors.replies import bearer, json_reply
from tests.vendors.vertex import claude, gemini
from tests.vendors.vertex.catalogue import ARCHIVE, CLAUDE, LOCATIONS, MODELS, entries, entry
from tests.vendors.vertex.refusals import NO_KEYS, not_servable, refusal, token_refused, unknown_model

VALID_KEY = "AQ.Ab8" + "LocalServerOnly" * 2 + "Key"
_CALL = re.compile(
    r"/v1(?:beta1)?/(?P<place>projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?"
    r"publishers/(?P<publisher>google|anthropic)/models/(?P<model>[^/:]+):(?P<method>[A-Za-z]+)"
)
_LIST = re.compile(r"/v1beta1/publishers/(?P<publisher>google|anthropic)/models(?:/(?P<model>[^/:]+))?")
PAGE = 50


class VertexVendor:
    """``aiplatform.googleapis.com``. ``endless``: a list gives the same page for ever. ``closed``: refused lists."""

    def __init__(self, book: Book | None = None) -> None:
        self.ledger = Ledger()
        self.book = book or Book("google")
        self.reset()

    def reset(self) -> None:
        """No knob is turned."""
        self.endless = False
        self.closed: set[str] = set()

    def key_state(self, request: Request) -> KeyState:
        if bearer(request.headers) is not None:
            return "unchecked"
        key = request.headers.get("x-goog-api-key", "")
        return "missing" if not key else "right" if read_plan(key, [VALID_KEY]) else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        called, listed = _CALL.fullmatch(request.path), _LIST.fullmatch(request.path)
        streaming = request.path.endswith(":streamGenerateContent")
        shape = ("sse" if request.query.get("alt") == "sse" else "array") if streaming else ""
        if called is not None and request.method == "POST":
            entry.model = called["model"]
        refused = self._refused(request, entry, called, shape)
        if refused is not None:
            return refused
        if called is not None and request.method == "POST":
            return self._call(request, called, shape)
        if listed is not None and request.method == "GET":
            return self._list(request, listed["publisher"], listed["model"])
        return error_reply(404, streamed=shape)

    def _refused(self, request: Request, entry: Entry, called: re.Match[str] | None, shape: str) -> Reply | None:
        """Who asks, and may they?"""
        project = called["project"] if called else None
        if entry.key == "unchecked":
            refused = token_refused(request, self.book, project=project, streamed=shape)
            entry.key = "wrong" if refused else "right"
            return refused
        if entry.key == "missing":
            said = "Request is missing required authentication credential. Expected OAuth 2 access token."
            return refusal(401, said, "CREDENTIALS_MISSING", streamed=shape)
        if entry.key == "wrong":
            return error_reply(400, "API key not valid. Please pass a valid API key.", key_details(), streamed=shape)
        if project is not None or called is None or called["publisher"] != "google":
            return refusal(401, NO_KEYS, "CREDENTIALS_MISSING", streamed=shape)
        return None

    def _call(self, request: Request, called: re.Match[str], shape: str) -> Reply | Streamed:
        publisher, model, method = called["publisher"], called["model"], called["method"]
        location = called["location"] or "global"
        resource = f"{called['place'] or ''}publishers/{publisher}/models/{model}"
        if called["place"] is None and bearer(request.headers) is not None:
            return error_reply(404, streamed=shape)
        if location not in LOCATIONS:
            return error_reply(400, f"Unsupported region for Vertex AI: {location}.", streamed=shape)
        if publisher == "anthropic":
            return self._claude(request, model, method, location, resource)
        found = read_plan(model, [*MODELS, *ARCHIVE])
        if method not in gemini.METHODS:
            return error_reply(404)
        if found is None or location not in MODELS.get(found[0], LOCATIONS):
            return unknown_model(resource, streamed=shape)
        base, plan = found
        return gemini.answer(request, model, base, method, plan, self.ledger, streamed=shape)

    def _claude(self, request: Request, model: str, method: str, location: str, resource: str) -> Reply | Streamed:
        if (model, method) == ("count-tokens", "rawPredict"):
            return claude.count(request, CLAUDE)
        found = read_plan(model, CLAUDE)
        if found is None or method not in ("rawPredict", "streamRawPredict"):
            return unknown_model(resource)
        if location not in CLAUDE[found[0]]:
            return not_servable(resource, location)
        return claude.answer(request, model, found[0], found[1], self.ledger)

    def _list(self, request: Request, publisher: str, model: str | None) -> Reply:
        if publisher in self.closed:
            return error_reply(403, "Permission 'aiplatform.publishers.list' denied on resource.")
        every = entries(publisher)
        if model is not None:
            name = model.partition("@")[0]
            known = next((one for one in every if one["name"].endswith(f"/{name}")), None)
            version = model.partition("@")[2]
            if known is None or (version and version != known["versionId"]):
                return error_reply(404, f"Publisher Model {model} is not found.")
            return json_reply(200, entry(publisher, model))
        if set(request.query) - {"pageSize", "pageToken", "view", "filter", "orderBy", "listAllVersions"}:
            return error_reply(400, "Invalid JSON payload received. Unknown name.")
        size, token = request.query.get("pageSize", str(PAGE)), request.query.get("pageToken", "")
        if not size.isdigit() or not 1 <= int(size) <= 100 or (token and not token.startswith("page-")):
            return error_reply(400, "Page size must be between 1 and 100, and page tokens are ours.")
        start = 0 if not token or self.endless else int(token.removeprefix("page-"))
        page = every[start : start + min(int(size), PAGE)]
        following = PAGE if self.endless else start + len(page)
        # Protocol buffers leave out what is empty: a list without entries as well.
        payload: dict[str, Any] = {"publisherModels": page} if page else {}
        if self.endless or following < len(every):
            payload["nextPageToken"] = f"page-{following}"
        return json_reply(200, payload)
