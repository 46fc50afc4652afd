"""A server that replays answers which were recorded before: ``tests/fixtures/<dialect>/replayed`` and nothing else.

It checks the login, picks the answer by what is asked, and delivers it with the faults that the model's name asks for.
``tests/fixtures/listings`` has each provider's list of models, by path and query (or a row's own).
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.vendors.asgi import Frame, Reply, Request, Streamed
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.plan import Plan, read_plan

FIXTURES = Path(__file__).parents[1] / "fixtures"
LOGIN = "replayed-login-0123456789abcdefghijklmnop"
FACTS: dict[str, dict[str, str]] = {
    "openai": {"mode": "plan"},
    "gemini": {"project": "ada-project"},
    "vertex_ai": {"project": "local-project", "location": "global"},
}
"""What a sign-in would have learned of the account."""
RESULTS = ('"role":"tool"', '"tool_result"', '"function_call_output"', '"functionResponse"')


class Replaying:
    """Answers for one row; ``model`` is the one that exists, ``secret`` the login that is right."""

    def __init__(self, dialect: str, row_id: str, model: str, secret: str) -> None:
        self.ledger = Ledger()
        folder = FIXTURES / dialect / "replayed"
        self._index: dict[str, dict[str, Any]] = json.loads((folder / "index.json").read_text())
        self._bodies = {name: (folder / f"{name}.body").read_bytes() for name in self._index}
        names = (row_id, row_id.partition("-")[0])
        listings = [FIXTURES / "listings" / f"{name}.json" for name in names]
        self._listing: dict[str, Any] = next((json.loads(one.read_text()) for one in listings if one.exists()), {})
        self._model, self._secret = model, secret

    def key_state(self, request: Request) -> KeyState:
        """The login may be anywhere in the headers."""
        sent = any(self._secret in value for value in request.headers.values())
        return "right" if sent or not self._secret else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        if entry.key == "wrong":
            return self._whole("error-401")
        if request.method == "GET":
            kept = self._listing.get(asked(request.path, request.query))
            return Reply(200, kept["headers"], json.dumps(kept["body"]).encode()) if kept else self._whole("error-404")
        entry.model = self._named(request, entry)
        found = read_plan(entry.model, [self._model])
        if found is None:
            return self._whole("error-404")
        plan = found[1]
        if plan.status is not None:
            return self._whole(f"{'html' if plan.body == 'html' else 'error'}-{plan.status}")
        name = self._scenario(plan, request)
        if not self._streams(request, entry):
            return self._whole(f"{name}-whole")
        kept = self._index[name]
        frames = [Frame(part, visible=True) for part in split(self._bodies[name])]
        return Streamed(kept["headers"], frames, [], plan)

    def _whole(self, name: str) -> Reply:
        kept = self._index[name]
        return Reply(kept["status"], kept["headers"], self._bodies[name])

    def _named(self, request: Request, entry: Entry) -> str:
        """In the body, or in the path (``models/NAME:method``, ``deployments/NAME/...``)."""
        if isinstance(entry.body, dict) and "model" in entry.body:
            return str(entry.body["model"])
        in_path = re.search(r"(?:models|deployments)/([^/:]+)", request.path)
        return in_path[1] if in_path else ""

    def _scenario(self, plan: Plan, request: Request) -> str:
        tight = request.body.decode().replace(" ", "")
        if any(mark in tight for mark in RESULTS):
            return "after-tools"
        return {"tools": "tools", "json": "structured"}.get(plan.script, "text")

    def _streams(self, request: Request, entry: Entry) -> bool:
        return bool(entry.body.get("stream")) or ":stream" in request.path


def split(body: bytes) -> list[bytes]:
    """A recorded stream as the pieces in which it came: one event each."""
    return [part for part in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body) if part]


def asked(path: str, query: dict[str, str]) -> str:
    """The name of a listing's page."""
    return path + (f"?{urlencode(sorted(query.items()))}" if query else "")
