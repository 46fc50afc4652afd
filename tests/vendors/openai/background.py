"""Responses that are made in the background: stored, sent again behind a cursor, cancelled."""

from dataclasses import dataclass, field
from typing import Any

from tests.vendors.asgi import Frame, Reply, Request, Streamed
from tests.vendors.ledger import Entry
from tests.vendors.openai.errors import Refused, error_reply
from tests.vendors.plan import ERRORS, Plan
from tests.vendors.replies import json_reply, sse


@dataclass
class Stored:
    """One response in the background; ``asked`` counts the requests that read it."""

    body: dict[str, Any]
    whole: dict[str, Any]
    frames: list[Frame]
    plan: Plan
    error: list[bytes] = field(default_factory=list)
    asked: int = 1
    cancelled: bool = False


class Background:
    """The responses that a server keeps."""

    def __init__(self) -> None:
        self.responses: dict[str, Stored] = {}

    def begin(self, body: dict[str, Any], whole: dict[str, Any], streamed: Streamed) -> Streamed:
        """Keep a response whose stream begins now; one without a turn says so and no more."""
        plan = streamed.plan
        frames = _queued(whole) if plan.queued else streamed.frames
        self.responses[whole["id"]] = Stored(body, whole, frames, plan, streamed.error)
        if plan.queued:
            return Streamed(streamed.headers, frames, [], Plan(cut="silence", at=0))
        return Streamed(streamed.headers, frames, streamed.error, plan)

    def read(self, request: Request, entry: Entry, response_id: str, headers: dict[str, str]) -> Reply | Streamed:
        """The response as it stands, or the events behind a cursor."""
        found = self._found(response_id, headers)
        entry.model = found.body["model"]
        unknown = set(request.query) - {"stream", "starting_after", "include[]", "include_obfuscation"}
        if unknown:
            raise Refused(error_reply(400, f"Unknown parameter: '{unknown.pop()}'.", headers=headers))
        if request.query.get("stream") != "true":
            return json_reply(200, found.whole, headers)
        if not found.body.get("stream"):
            said = "This response was not created with stream=true."
            raise Refused(error_reply(400, said, headers=headers))
        after = request.query.get("starting_after", "-1")
        if not after.lstrip("-").isdigit() or int(after) >= len(found.frames):
            raise Refused(error_reply(400, "Invalid 'starting_after'.", param="starting_after", headers=headers))
        head = {**headers, "content-type": "text/event-stream; charset=utf-8"}
        plan = found.plan if found.plan.failing(found.asked) and found.plan.cut not in ERRORS else found.plan.healthy()
        found.asked += 1
        return Streamed(head, found.frames[int(after) + 1 :], found.error, plan)

    def cancel(self, entry: Entry, response_id: str, headers: dict[str, str]) -> Reply:
        """End a response that nobody reads any more."""
        found = self._found(response_id, headers)
        entry.model = found.body["model"]
        found.cancelled = True
        return json_reply(200, {**found.whole, "status": "cancelled", "output": []}, headers)

    def _found(self, response_id: str, headers: dict[str, str]) -> Stored:
        found = self.responses.get(response_id)
        if found is None:
            said = f"Response with id '{response_id}' not found."
            raise Refused(error_reply(404, said, code="not_found", headers=headers))
        return found


def _queued(whole: dict[str, Any]) -> list[Frame]:
    waiting = {**whole, "status": "queued", "output": [], "usage": None}
    kinds = ("response.created", "response.queued", "response.in_progress")
    return [
        Frame(sse({"type": kind, "response": waiting, "sequence_number": number}, event=kind), visible=number == 1)
        for number, kind in enumerate(kinds)
    ]
