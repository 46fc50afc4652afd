"""The output items of one Responses answer: what was sent of each so far, and what of it still has to be."""

from typing import Any

import msgspec

from providers_app.dialects import blocks
from providers_app.dialects.answer import Answer
from providers_app.types.events import ReasoningDelta, TextDelta
from providers_app.wire import payload

_CALLS = frozenset({"function_call", "custom_tool_call"})


class _Item(msgspec.Struct):
    done: bool = False
    texted: bool = False
    summary: int | None = None
    part: int | None = None
    call: int | None = None
    name: str = ""
    provider_id: str | None = None
    pieces: list[str] = []
    final: str = ""


class OutputItems:
    """Items by output index (ids may be missing, and some proxies change them between events)."""

    __slots__ = ("_answer", "_items", "_last", "_parts", "refused")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._items: dict[Any, _Item] = {}
        self._last: Any = None
        self._parts = 0
        self.refused = False

    @property
    def has_calls(self) -> bool:
        return self._answer.calls > 0

    def of(self, value: dict[str, Any]) -> _Item:
        """Return the item that an event belongs to."""
        key = value.get("output_index")
        if type(key) is not int:
            key = payload.text(value.get("item_id")) or self._last
        self._last = key
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item()
        return item

    def text(self, value: dict[str, Any], field: str = "delta") -> None:
        piece = payload.text(value.get(field))
        self.of(value).texted = True
        if piece:
            self._answer.text(piece)

    def refusal(self, value: dict[str, Any], field: str = "delta") -> None:
        piece = payload.text(value.get(field))
        self.of(value).texted = True
        self.refused = True
        if piece:
            self._answer.start()
            self._answer.append(TextDelta(piece, None, True))

    def summary(self, value: dict[str, Any]) -> None:
        """Add a piece of a reasoning summary; the parts of one item are separated by a blank line."""
        item, piece = self.of(value), payload.text(value.get("delta"))
        index = payload.count(value.get("summary_index")) or 0
        gap = "\n\n" if item.summary is not None and index != item.summary else ""
        item.summary, item.texted = index, True
        if piece:
            self._answer.reasoning(gap + piece, self._part(item))

    def raw_reasoning(self, value: dict[str, Any]) -> None:
        """Reasoning itself (open-weight models); where there is a summary too, the summary is what counts."""
        item, piece = self.of(value), payload.text(value.get("delta"))
        if item.summary is None and piece:
            item.texted = True
            self._answer.reasoning(piece, self._part(item))

    def added(self, value: dict[str, Any]) -> None:
        raw = payload.mapping(value.get("item"))
        if payload.text(raw.get("type")) in _CALLS:
            self._named(self.of(value), raw)

    def whole_arguments(self, value: dict[str, Any]) -> None:
        self.of(value).final = payload.text(value.get("arguments") or value.get("input"))

    def arguments(self, value: dict[str, Any]) -> None:
        item, piece = self.of(value), payload.text(value.get("delta"))
        if item.call is None:
            self._named(item, value)
        item.pieces.append(piece)
        self._answer.call_delta(item.call or 0, item.name, piece, item.provider_id)

    def finished(self, value: dict[str, Any]) -> None:
        """Finish an item with its whole form; emit what its deltas have not."""
        item, raw = self.of(value), payload.mapping(value.get("item"))
        if item.done:
            return
        item.done = True
        kind = payload.text(raw.get("type"))
        if kind == "message":
            self._message(value, item, raw)
        elif kind == "reasoning":
            self._reasoning(item, raw)
        elif kind in _CALLS:
            self._call(item, raw, custom=kind == "custom_tool_call")
        else:
            self._answer.start()
            if kind == "image_generation_call" and raw.get("result"):
                media_type = f"image/{payload.text(raw.get('output_format')) or 'png'}"
                self._answer.append(
                    blocks.block(kind, {name: value for name, value in raw.items() if name != "result"})
                )
                self._answer.append(blocks.generated(kind, media_type, raw["result"]))
            else:
                self._answer.append(blocks.block(kind, raw))

    def finished_rest(self, output: list[Any]) -> None:
        """Finish the items of a terminal event, of which most have been finished already."""
        for index, raw in enumerate(output):
            if isinstance(raw, dict):
                self.finished({"output_index": index, "item": raw})

    def _part(self, item: _Item) -> int:
        if item.part is None:
            item.part = self._parts
            self._parts += 1
        return item.part

    def _named(self, item: _Item, raw: dict[str, Any]) -> None:
        if item.call is None:
            item.call = self._answer.next_call()
        item.name = payload.text(raw.get("name")) or item.name
        item.provider_id = payload.text(raw.get("call_id")) or item.provider_id

    def _message(self, value: dict[str, Any], item: _Item, raw: dict[str, Any]) -> None:
        already = item.texted
        for part in payload.sequence(raw.get("content")):
            part = payload.mapping(part)
            if part.get("type") == "refusal":
                self.refused = True
                if not already:
                    self.refusal({**part, **value}, "refusal")
            elif not already:
                self.text({**part, **value}, "text")
                for source in blocks.all_cited(part.get("annotations")):
                    self._answer.append(source)

    def _reasoning(self, item: _Item, raw: dict[str, Any]) -> None:
        part = self._part(item)
        if not item.texted:
            pieces = [payload.text(payload.mapping(one).get("text")) for one in payload.sequence(raw.get("summary"))]
            if not any(pieces):
                content = payload.sequence(raw.get("content"))
                pieces = [payload.text(payload.mapping(one).get("text")) for one in content]
            text = "\n\n".join(filter(None, pieces))
            if text:
                self._answer.reasoning(text, part)
        if raw.get("encrypted_content"):
            kept = {name: raw[name] for name in ("type", "summary", "content", "encrypted_content") if raw.get(name)}
            self._answer.start()
            self._answer.append(ReasoningDelta("", part, {"summary": [], **kept}))

    def _call(self, item: _Item, raw: dict[str, Any], *, custom: bool) -> None:
        self._named(item, raw)
        index = item.call or 0
        streamed = "".join(item.pieces)
        if custom:
            text = payload.text(raw.get("input")) or item.final or streamed
            arguments: dict[str, Any] = {"input": text}
            invalid = None
            final = payload.encode(arguments).decode()
        else:
            given = raw.get("arguments")
            given = payload.encode(given).decode() if isinstance(given, dict) else payload.text(given)
            # Some servers finish a call with "{}" although its deltas or its done event had the arguments.
            final = (item.final or streamed or given) if given.strip() in ("", "{}") else given
            arguments, invalid = payload.arguments(final)
        if raw.get("status") == "incomplete":
            arguments, invalid = {}, final or payload.NO_ARGUMENTS
        if not item.pieces:
            self._answer.call_delta(index, item.name, final, item.provider_id)
        self._answer.call(index, item.name, arguments, provider_id=item.provider_id, invalid=invalid)
