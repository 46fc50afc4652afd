"""One server of each kind, with the common endpoints and what is its own."""

import copy
import json
from typing import Any

from tests.vendors.asgi import Frame, Reply, Request, Streamed
from tests.vendors.chat.checks import check_fields, check_messages, read_ask
from tests.vendors.chat.hosted_servers import DEEPSEEK, GROQ, MISTRAL, PERPLEXITY, XAI
from tests.vendors.chat.local_servers import LLAMA_CPP, LM_STUDIO, OLLAMA, VLLM
from tests.vendors.chat.personality import Chunk, Personality, check_prefix
from tests.vendors.chat.stream import completion, frames
from tests.vendors.chat.vendor import MODELS, VALID_KEY
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.openai.errors import Refused, error_reply, failed, held, key_error, parse_checked, unknown_model
from tests.vendors.plan import read_plan
from tests.vendors.replies import bearer, json_reply, sse
from tests.vendors.script import Answer, compose

KINDS = {kind.name: kind for kind in (VLLM, OLLAMA, LLAMA_CPP, LM_STUDIO, MISTRAL, GROQ, DEEPSEEK, XAI, PERPLEXITY)}


class KindVendor:
    """A compatible server of one kind, as strict as that one."""

    def __init__(self, kind: Personality) -> None:
        self.kind = kind
        self.ledger = Ledger()

    def key_state(self, request: Request) -> KeyState:
        key = bearer(request.headers)
        if key is None:
            return "missing" if self.kind.key else "unchecked"
        return "right" if read_plan(key, [VALID_KEY]) or not self.kind.key else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        kind, headers = self.kind, dict(self.kind.headers)
        if kind.server:
            headers["server"] = kind.server
        refused = key_error(entry.key, headers)
        if refused is not None:
            return refused
        native = kind.native.get((request.method, request.path))
        if native is not None:
            return json_reply(200, native(json.loads(request.body or b"{}")), headers)
        try:
            match request.method, request.path:
                case "POST", "/v1/chat/completions":
                    return self._complete(request, entry, headers)
                case "POST", path if path == kind.prefix_path:
                    return self._complete(request, entry, headers)
                case "GET", "/v1/models" if kind.entry is not None:
                    data = [kind.entry(model_id, window) for model_id, window in MODELS.items()]
                    return json_reply(200, {"object": "list", "data": data}, headers)
        except Refused as refusal:
            return kind.refusal(refusal.reply)
        return error_reply(404, f"Invalid URL ({request.method} {request.path})", headers=headers)

    def _complete(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply | Streamed:
        kind = self.kind
        body = parse_checked(request, kind.body, headers)
        model = entry.model = body["model"]
        found = read_plan(model, MODELS)
        if found is None:
            raise Refused(unknown_model(model, headers))
        plan = found[1]
        kind.judge(body)
        check_prefix(kind, body, request.path)
        held(lambda: check_fields(body), headers)
        held(lambda: check_messages(body["messages"]), headers)
        if not plan.failing(len(self.ledger.of_model(model))):
            plan = plan.healthy()
        failure = failed(plan, headers)
        if failure is not None:
            return kind.refusal(failure) if failure.headers.get("content-type") == "application/json" else failure
        answer = compose(plan, read_ask(kind.ask(body)))
        if not body.get("stream"):
            return json_reply(200, kind.whole(self._named(completion(answer, model, request.number))), headers, plan)
        asked = (body.get("stream_options") or {}).get("include_usage", False)
        pieces = self._frames(answer, model, request.number, asked=asked)
        return Streamed({**headers, "content-type": "text/event-stream"}, pieces, kind.cut(plan), plan)

    def _frames(self, answer: Answer, model: str, number: int, *, asked: bool) -> list[Frame]:
        kind = self.kind
        written = frames(answer, model, number, True)[:-1]  # without [DONE]
        chunks = [(json.loads(frame.data.removeprefix(b"data: ")), frame.visible) for frame in written]
        usage = chunks.pop()[0]["usage"]
        if kind.whole_calls:
            chunks = _joined_calls(chunks)
        for chunk, _ in chunks:
            chunk.pop("usage", None)
        if kind.usage == "always":
            chunks[-1][0]["usage"] = usage
        elif kind.usage == "each":
            for chunk, _ in chunks:
                chunk["usage"] = usage
        elif asked:
            chunks.append(({**chunks[-1][0], "choices": [], "usage": usage}, False))
        shaped = [Frame(sse(kind.chunk(self._named(copy.deepcopy(chunk)))), visible) for chunk, visible in chunks]
        done = [Frame(b"data: [DONE]\n\n")] if kind.done else []
        return [*map(Frame, kind.keep_alive), *shaped, *done]

    def _named(self, chunk: Chunk) -> Chunk:
        """Tool calls with ids as this server makes them."""
        for choice in chunk["choices"]:
            said: dict[str, Any] = choice.get("delta") or choice.get("message") or {}
            for position, call in enumerate(said.get("tool_calls", ())):
                if "id" in call:
                    call["id"] = self.kind.call_id(call.get("index", position))
        return chunk


def _joined_calls(chunks: list[tuple[Chunk, bool]]) -> list[tuple[Chunk, bool]]:
    """Every tool call in one piece, as servers do that parse the whole answer first."""
    kept: list[tuple[Chunk, bool]] = []
    calls: dict[int, dict[str, Any]] = {}
    for chunk, visible in chunks:
        found = chunk["choices"][0]["delta"].get("tool_calls") if chunk["choices"] else None
        if not found:
            kept.append((chunk, visible))
        elif found[0]["index"] in calls:
            calls[found[0]["index"]]["function"]["arguments"] += found[0]["function"]["arguments"]
        else:
            calls[found[0]["index"]] = found[0]
            kept.append((chunk, visible))
    return kept
