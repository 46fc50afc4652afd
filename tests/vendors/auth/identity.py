"""The identity services of machines at Azure: the metadata service, and an app's own address with its header."""

import uuid
from collections.abc import Awaitable
from typing import Any

from tests.vendors.asgi import Answer, Reply, Request
from tests.vendors.auth.book import Book
from tests.vendors.auth.front import AuthFront, Routes
from tests.vendors.auth.records import Client, Refusal
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

RESOURCES = ("https://cognitiveservices.azure.com/", "https://ai.azure.com/")
IMDS_PATH = "/metadata/identity/oauth2/token"
APP_PATH = "/msi/token"
KNOWN = {"api-version", "resource", "client_id"}


class IdentityService(AuthFront):
    """``machine``: the client id of the machine's own identity (empty: it has none); ``assigned`` are further ones.

    ``header`` is what an app must send as ``X-IDENTITY-HEADER``.
    """

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.machine, self.assigned, self.header = "", set[str](), ""

    def start_anew(self) -> None:
        """One identity of the machine's own, with the role on the resource."""
        self.machine, self.assigned = self.add(role=True), set()
        self.header = uuid.uuid4().hex + uuid.uuid4().hex

    def add(self, *, role: bool = True) -> str:
        """A user-assigned identity; its client id."""
        client_id = str(uuid.uuid4())
        with self.book.lock:
            self.book.add_account(client_id, client_id).limit = None if role else "no_role"
            self.book.clients[client_id] = Client(client_id, "", "entra")
        if self.machine:
            self.assigned.add(client_id)
        return client_id

    def routes(self) -> Routes:
        return {("GET", IMDS_PATH): self._imds, ("GET", APP_PATH): self._app}

    def _imds(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        if request.headers.get("metadata") != "true" or "x-forwarded-for" in request.headers:
            return _error(400, "invalid_request", "Required metadata header not specified")
        if request.query.get("api-version") != "2018-02-01":
            return _error(400, "invalid_request", "The requested version is not supported")
        return self._asked(request, entry, as_app=False)

    def _app(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        if request.headers.get("x-identity-header") != self.header:
            return json_reply(401, {"statusCode": 401, "message": "Unauthorized"})
        if request.query.get("api-version") != "2019-08-01":
            return json_reply(400, {"statusCode": 400, "message": "The api-version is not supported"})
        return self._asked(request, entry, as_app=True)

    def _asked(self, request: Request, entry: Entry, *, as_app: bool) -> Answer | Awaitable[Answer]:
        query = request.query
        if set(query) - KNOWN or query.get("resource") not in RESOURCES:
            return _error(400, "invalid_resource", "The resource is not known")
        return self.token_request(entry, dict(query), lambda: self._grant(query, entry, as_app=as_app))

    def _grant(self, query: dict[str, str], entry: Entry, *, as_app: bool) -> Reply:
        wanted = query.get("client_id", "")
        client_id = self.machine if wanted in ("", self.machine) else wanted if wanted in self.assigned else ""
        self.book.note("identity", wanted, client_id, "", 0, "", "" if client_id else "no_identity", entry)
        if not client_id:
            raise Refusal("no_identity")
        made = self.book.issue(client_id, client_id, (query["resource"],), refreshable=False)
        ends = int(made.expires_at)
        body: dict[str, Any] = {
            "access_token": made.access,
            "client_id": client_id,
            "expires_on": str(ends),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
        if not as_app:
            left = str(made.expires_in)
            body |= {"expires_in": left, "ext_expires_in": left, "not_before": str(ends - made.expires_in)}
        return json_reply(200, body)

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        return _error(400, "invalid_request", "Identity not found")

    def limited(self, retry_after: float) -> Reply:
        return json_reply(429, {"error": "too_many_requests"}, {"retry-after": f"{retry_after:g}"})


def _error(status: int, code: str, text: str) -> Reply:
    return json_reply(status, {"error": code, "error_description": text})
