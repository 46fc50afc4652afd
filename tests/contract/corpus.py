"""Requests of every kind, built by every provider's own module: ``python -m tests.contract.corpus FILE`` writes JSON.

The bodies are judged elsewhere (``validate.py``), in the environment of the official SDKs, which knows nothing of us.
"""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.dialects.tool_forms import NINE_ALPHANUMERICS
from providers_app.errors import UnsupportedContent
from providers_app.registry.resolver import resolve
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    ChatParams,
    ChatRequest,
    FilePart,
    ImagePart,
    JsonSchema,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import Origin
from providers_app.types.intent import ToolIntent

ROOT = Path(__file__).resolve().parents[2]
DATA = base64.b64encode(b"some bytes").decode()
WEATHER = Tool("weather", "The weather of a place.", {"type": "object", "properties": {"place": {"type": "string"}}})
STRICT = Tool(
    "fs.read:v1",
    "",
    {"type": "object", "properties": {"p": {"type": "string"}}, "required": ["p"], "additionalProperties": False},
    strict=True,
    intent=ToolIntent("test_pass", "files", "low"),
    ask_intent=True,
)
SHAPE = JsonSchema(
    "an answer",
    {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False},
)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's module in one of its variants, and by which type its bodies are judged.

    ``beyond`` are fields that the provider documents beyond that type, ``adds`` what the address holds instead.
    """

    name: str
    provider: str
    kind: str
    model: str
    auth_type: Any = "api_key"
    base_url: str | None = None
    settings: dict[str, str] = {}
    beyond: tuple[str, ...] = ()
    adds: dict[str, Any] = {}
    dialect: OpenAIChat | None = None

    def body(self, chat: ChatRequest) -> dict[str, Any]:
        """The JSON body that the provider's module builds."""
        chat = msgspec.structs.replace(chat, model=self.model)
        if self.dialect is not None:
            built = self.dialect.build_body(chat)
        else:
            credential = Credential(
                auth_type=self.auth_type, secret=Secret("k"), base_url=self.base_url, settings=self.settings
            )
            built = resolve(self.provider, "streaming").build(chat, credential).body
        found: dict[str, Any] = json.loads(built)
        return found


AZURE = "https://name.openai.azure.com"
OPENROUTER = ("reasoning", "messages.*.reasoning_details")
PROJECT = {"project": "my-project", "location": "us-central1"}
SAMPLING = ("temperature", "top_p")
"""The SDK's types are those of API version 2026-10-21; the version that is asked, 2023-06-01, takes them."""
CLAUDE: dict[str, Any] = {"beyond": (*SAMPLING, "anthropic_version"), "adds": {"model": "claude-opus-5"}}
MISTRAL = OpenAIChat(
    request=RequestForm(
        max_tokens_field="max_tokens", ids=NINE_ALPHANUMERICS, include_usage=False, unsupported=frozenset({"seed"})
    )
)
TARGETS = (
    Target(name="openai", provider="openai", kind="openai.responses", model="gpt-5.6"),
    Target(
        name="openai, ChatGPT login",
        provider="openai",
        kind="openai.responses",
        model="gpt-5.6",
        auth_type="oauth",
        settings={"mode": "chatgpt"},
    ),
    Target(
        name="openai, Sign in with ChatGPT",
        provider="openai",
        kind="openai.responses",
        model="gpt-5.6",
        auth_type="oauth",
        settings={"mode": "plan"},
    ),
    Target(name="anthropic", provider="anthropic", kind="anthropic.messages", model="claude-opus-5", beyond=SAMPLING),
    Target(
        name="anthropic, older model",
        provider="anthropic",
        kind="anthropic.messages",
        model="claude-haiku-4-5",
        beyond=SAMPLING,
    ),
    Target(name="gemini", provider="gemini", kind="gemini.generate", model="gemini-3-pro"),
    Target(name="gemini, older model", provider="gemini", kind="gemini.generate", model="gemini-2.5-flash"),
    Target(name="openrouter", provider="openrouter", kind="openai.chat", model="openai/gpt-5.6", beyond=OPENROUTER),
    Target(name="azure, v1", provider="azure_openai", kind="openai.chat", model="mine", base_url=AZURE),
    Target(
        name="azure, v1 responses",
        provider="azure_openai",
        kind="openai.responses",
        model="mine",
        base_url=AZURE,
        settings={"api": "responses"},
    ),
    Target(
        name="azure, deployments",
        provider="azure_openai",
        kind="openai.chat",
        model="mine",
        base_url=AZURE,
        settings={"surface": "deployments", "api_version": "2024-06-01"},
    ),
    Target(
        name="vertex, Gemini",
        provider="vertex_ai",
        kind="gemini.generate",
        model="gemini-3-pro",
        auth_type="oauth",
        settings=PROJECT,
    ),
    Target(
        name="vertex, Claude",
        provider="vertex_ai",
        kind="anthropic.messages",
        model="claude-opus-5",
        auth_type="oauth",
        settings=PROJECT,
        **CLAUDE,
    ),
    Target(name="remote", provider="remote", kind="openai.chat", model="local", base_url="https://m.example/v1"),
    Target(
        name="remote, reasoning in a tool loop",
        provider="remote",
        kind="openai.chat",
        model="local",
        base_url="https://m.example/v1",
        settings={"reasoning_replay": "content"},
        beyond=("messages.*.reasoning_content",),
    ),
    Target(name="demo", provider="demo", kind="openai.chat", model="demo", auth_type="none"),
    Target(name="mistral's form", provider="remote", kind="mistral.chat", model="mistral-large", dialect=MISTRAL),
)


def say(role: Any, *parts: Part | str) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="", messages=messages, **fields)


def answer_of(target: Target) -> tuple[Message, Message]:
    """An answer with reasoning and two calls at once, and the results, as this provider gave it."""
    origin = Origin(target.provider, target.model)
    opaque: dict[str, Any] = {
        "openai.responses": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        "anthropic.messages": {"type": "thinking", "signature": "c2ln"},
        "gemini.generate": {"thoughtSignature": "c2ln"},
    }.get(target.kind, {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]})
    if target.kind == "openai.responses":
        opaque["encrypted_content"] = "gAAAA"
    signed = opaque if target.kind == "gemini.generate" else None
    calls = (
        ToolCallPart("call_1", "weather", {"place": "Zürich"}, "toolu_1", signed, origin),
        ToolCallPart("call_2", "fs.read:v1", {}, None, None, origin),
    )
    said = say("assistant", ReasoningPart("hm", opaque, origin), "I look.", *calls)
    results = say("tool", ToolResultPart("call_2", "fs.read:v1", "no", True), ToolResultPart("call_1", "weather", "{}"))
    return said, results


def blocks_of(target: Target) -> list[Part]:
    """A tool that the provider ran itself, in its own form; elsewhere it is left out."""
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "ferries"}}
    page = {"type": "web_search_result", "url": "https://e.example", "title": "E", "encrypted_content": "c2ln"}
    search = {"type": "search", "query": "ferries"}
    found: dict[str, list[dict[str, Any]]] = {
        "anthropic.messages": [use, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [page]}],
        "gemini.generate": [{"executableCode": {"language": "PYTHON", "code": "1"}}],
        "openai.responses": [{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": search}],
    }
    origin = Origin(target.provider, target.model)
    blocks = found.get(target.kind, [{"type": "of_its_own"}])
    return [BlockPart(str(block.get("type", "executableCode")), block, origin) for block in blocks]


def requests(target: Target) -> dict[str, ChatRequest]:
    """What is asked, by name; ``PARAMS`` below are asked one by one and all at once."""
    said, results = answer_of(target)
    q = say("user", "q")
    image = ImagePart("image/png", DATA)
    found = {
        "text": ask(q),
        "whole": ask(q, stream=False),
        "system": ask(
            say("system", "Be brief."), q, say("assistant", "a"), say("system", "Briefer."), say("user", "r")
        ),
        "images": ask(say("user", "see", image, ImagePart(url="https://x.example/a.png"))),
        "pdf": ask(say("user", "see", FilePart(data=DATA, name="a.pdf"), FilePart(data=DATA))),
        "pdf by address": ask(say("user", "see", FilePart(url="https://x.example/a.pdf"))),
        "text document": ask(say("user", "see", FilePart("text/plain", DATA, name="a.txt"))),
        "recording": ask(say("user", "hear", AudioPart("audio/wav", DATA))),
        "tools": ask(q, tools=(WEATHER, STRICT)),
        "tool loop": ask(q, said, results, tools=(WEATHER, STRICT)),
        "after a tool loop": ask(q, said, results, say("assistant", "a"), say("user", "r"), tools=(WEATHER, STRICT)),
        "interrupted call": ask(q, said, say("user", "go on"), tools=(WEATHER,)),
        "result with a picture": ask(
            q, say("assistant", ToolCallPart("c", "weather", {})), say("tool", _seen(image)), tools=(WEATHER,)
        ),
        "blocks of its own": ask(q, say("assistant", "I look.", *blocks_of(target), "Found."), say("user", "r")),
        "a picture of its own": ask(q, say("assistant", image), say("user", "make it blue")),
        "elsewhere": ask(q, *answer_of(ELSEWHERE), say("user", "r"), tools=(WEATHER,)),
    }
    for mode in ("auto", "none", "required"):
        found[f"tool choice {mode}"] = ask(q, tools=(WEATHER,), tool_choice=ToolChoice(mode))  # type: ignore[arg-type]
    found["tool choice by name"] = ask(q, tools=(WEATHER, STRICT), tool_choice=ToolChoice("tool", "fs.read:v1"))
    for name, value in PARAMS.items():
        found[name] = ask(q, tools=(WEATHER,), params=ChatParams(**{name: value}))
    for effort in ("none", "minimal", "medium", "xhigh", "max"):
        found[f"effort {effort}"] = ask(q, params=ChatParams(reasoning_effort=effort))  # type: ignore[arg-type]
    found["all parameters"] = ask(q, tools=(WEATHER,), params=ChatParams(**PARAMS))
    return found


def _seen(image: ImagePart) -> ToolResultPart:
    return ToolResultPart("c", "weather", "seen", media=(image, FilePart(data=DATA, name="a.pdf")))


ELSEWHERE = Target(name="elsewhere", provider="elsewhere", kind="elsewhere", model="m")
PARAMS: dict[str, Any] = {
    "max_output_tokens": 2000,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ("END",),
    "seed": 7,
    "reasoning_effort": "high",
    "parallel_tool_calls": False,
    "response_schema": SHAPE,
    "extra": {},
}


def build() -> dict[str, Any]:
    """All cases, and the requests that a provider has no form for."""
    cases, refused = [], []
    for target in TARGETS:
        for name, chat in requests(target).items():
            label = f"{target.name}: {name}"
            try:
                body = target.body(chat)
            except UnsupportedContent as error:
                refused.append({"name": label, "why": error.message})
                continue
            case = {"name": label, "provider": target.name, "kind": target.kind, "body": body}
            cases.append({**case, "beyond": target.beyond, "adds": target.adds})
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit, "cases": cases, "refused": refused}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(build()))
