"""Turn the events of one answer into the chunks that it leaves in its context, in the order of the events. Pure.

Text, each tool call, each block of a server tool and each generated file is a chunk. Reasoning lies with what it led
to, so that both stay together, and a citation with the text that it supports.
"""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from context_app import server_tools
from context_app.streams.live import AnswerChunk
from providers_app.types.events import (
    Citation,
    Event,
    GeneratedFile,
    OpaqueBlock,
    Origin,
    ReasoningDelta,
    ServerToolEvent,
    StreamContinued,
    StreamStart,
    TextDelta,
    ToolCall,
)


def answer_chunks(events: Iterable[Event], provider: str) -> tuple[AnswerChunk, ...]:
    """Return the chunks of an answer of ``provider`` (a slug, or empty). More events never change their order."""
    gathering = _Gathering(Origin(provider) if provider else None)
    for event in events:
        gathering.add(event)
    return gathering.chunks()


def file_columns(file: GeneratedFile) -> dict[str, Any]:
    """Return what a chunk keeps of a stored file in its metadata."""
    names = ("ref", "media_type", "name", "size", "width", "height", "url", "problem", "opaque")
    return {name: value for name in names if (value := getattr(file, name))}


class _Text(msgspec.Struct):
    pieces: list[str] = []
    refusal: bool = False
    metadata: dict[str, Any] = {}


class _Gathering:
    def __init__(self, origin: Origin | None) -> None:
        self._origin = origin
        self._done: list[_Text | AnswerChunk] = []
        self._reasoning: list[dict[str, Any]] = []  # what has led to nothing yet
        self._by_part: dict[int, dict[str, Any]] = {}
        self._thoughts: dict[int, list[str]] = {}  # the text of each part, joined at the end
        self._last_text: _Text | None = None
        self._cited: list[dict[str, Any]] = []  # before any text
        self._known: set[tuple[int, bytes]] = set()  # sources, by the list that they are in
        self._last_call = ""  # of a server tool

    def add(self, event: Event) -> None:
        match event:
            case TextDelta():
                self._text(event)
            case ReasoningDelta():
                self._reason(event)
            case Citation():
                self._cite(event)
            case ToolCall():
                self._done.append(self._call(event))
            case ServerToolEvent() | OpaqueBlock():
                self._done.append(self._block(event))
            case GeneratedFile():
                self._done.append(self._file(event))
            case StreamContinued():
                self._seam(event)
            case StreamStart(origin=Origin() as origin):
                self._origin = origin
            case _:
                pass

    def chunks(self) -> tuple[AnswerChunk, ...]:
        for part, pieces in self._thoughts.items():
            self._by_part[part]["text"] = "".join(pieces)
        if any(item["opaque"] for item in self._reasoning):
            if not any(isinstance(one, _Text) for one in self._done):
                self._done.append(_Text())
            last = [one for one in self._done if isinstance(one, _Text)][-1]
            last.metadata.setdefault("reasoning", []).extend(self._led()["reasoning"])
        found = []
        for one in self._done:
            if isinstance(one, AnswerChunk):
                found.append(one)
                continue
            content = "".join(one.pieces)
            if one.refusal:
                one.metadata["refusal"] = True
            if content.strip() or one.metadata.get("opaque") or one.metadata.get("reasoning"):
                found.append(AnswerChunk(kind="assistant", content=content, metadata=one.metadata))
        return tuple(found)

    def _text(self, event: TextDelta) -> None:
        last = self._done[-1] if self._done else None
        if event.aside and not event.text.strip() and not isinstance(last, _Text):
            return  # the next chunk is apart as it is
        bound = any(item["opaque"] for item in self._reasoning)  # it has to stand right in front of what it led to
        if not isinstance(last, _Text) or bound or last.refusal != event.refusal:
            last = self._last_text = _Text(refusal=event.refusal, metadata=self._led())
            self._done.append(last)
        elif self._reasoning:
            last.metadata.setdefault("reasoning", []).extend(self._led()["reasoning"])
        last.pieces.append(event.text)
        if event.opaque:
            last.metadata["opaque"] = {**last.metadata.get("opaque", {}), **event.opaque}
            last.metadata["origin"] = self._noted()
        if self._cited:
            last.metadata["citations"], self._cited = self._cited, []

    def _seam(self, event: StreamContinued) -> None:
        """Note in its text where the answer had broken off."""
        last = self._done[-1] if self._done else None
        if isinstance(last, _Text):
            at = sum(map(len, last.pieces))
            last.metadata.setdefault("seams", []).append({"at": at, "way": event.way, "reason": event.reason})

    def _reason(self, event: ReasoningDelta) -> None:
        item = self._by_part.get(event.part)
        if item is None:
            item = self._by_part[event.part] = {"text": "", "opaque": None, **self._noted()}
            self._reasoning.append(item)
        self._thoughts.setdefault(event.part, []).append(event.text)
        if event.opaque:
            item["opaque"] = {**(item["opaque"] or {}), **event.opaque}

    def _cite(self, event: Citation) -> None:
        source = {name: value for name in ("url", "title", "quote") if (value := getattr(event, name))} or event.data
        text = self._last_text
        cited = self._cited if text is None else text.metadata.setdefault("citations", [])
        key = (id(cited), msgspec.json.encode(source, order="deterministic"))
        if key not in self._known:
            self._known.add(key)
            cited.append(source)

    def _call(self, event: ToolCall) -> AnswerChunk:
        metadata: dict[str, Any] = {
            "call_id": event.id,
            "name": event.name,
            "arguments": event.arguments,
            "provider_id": event.provider_id,
            "opaque": event.opaque,
            "origin": self._noted(),
            **self._led(),
        }
        if event.invalid_arguments is not None:
            metadata["invalid_arguments"] = event.invalid_arguments
        if event.intent_error is not None:
            metadata["intent_error"] = event.intent_error.message
        content = event.invalid_arguments or json.dumps(event.arguments, ensure_ascii=False, indent=2)
        intent = msgspec.to_builtins(event.intent)
        return AnswerChunk(kind="tool_call", content=content, metadata=metadata, intent=intent)

    def _block(self, event: ServerToolEvent | OpaqueBlock) -> AnswerChunk:
        data = event.data
        metadata: dict[str, Any] = {"kind": event.kind, "data": data, "origin": self._noted(), **self._led()}
        inner = server_tools.inner_of(event.kind, data)
        if call_id := inner.get("tool_use_id") or inner.get("call_id") or inner.get("id"):
            metadata["call_id"] = str(call_id)
        elif server_tools.is_result(event.kind):  # of the call before it, where a provider gives no ids
            metadata["call_id"] = self._last_call
        else:
            metadata["call_id"] = f"{event.kind}-{len(self._done)}"
        self._last_call = metadata["call_id"]
        if isinstance(event, OpaqueBlock):
            return AnswerChunk(kind="block", content=event.kind, metadata=metadata)
        return AnswerChunk(kind="server_tool", content=_summary(event.kind, event.data), metadata=metadata)

    def _file(self, event: GeneratedFile) -> AnswerChunk:
        content = event.problem or event.name or f"Generated {event.media_type}"
        metadata = {**file_columns(event), "origin": self._noted(), **self._led()}
        return AnswerChunk(kind="image", content=content, metadata=metadata)

    def _led(self) -> dict[str, Any]:
        """Return the reasoning that led to what comes now, as metadata."""
        led, self._reasoning = self._reasoning, []
        return {"reasoning": led} if led else {}

    def _noted(self) -> dict[str, Any]:
        found = {} if self._origin is None else msgspec.structs.asdict(self._origin)
        return {name: value for name, value in found.items() if value}


def _summary(kind: str, data: dict[str, Any]) -> str:
    """Return in a line what a server tool did: its name, and the most telling part of its input."""
    if server_tools.is_result(kind):
        return kind
    name, told = server_tools.name_of(kind, data), server_tools.asked(kind, data)
    return f"{name}: {told}" if told else name
