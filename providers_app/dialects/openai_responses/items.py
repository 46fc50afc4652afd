"""The output items of one Responses answer: what was sent of each so far, and what of it still has to be."""

from typing import Any
from zlib import crc32

import msgspec

from providers_app.dialects import blocks
from providers_app.dialects.answer import Answer, require_room
from providers_app.types.events import ReasoningDelta, TextDelta
from providers_app.wire import payload


class _Item(msgspec.Struct):
    number: int
    done: bool = False
    custom: bool = False
    texted: bool = False
    summary: int | None = None
    part: int | None = None
    call: int | None = None
    name: str = ""
    provider_id: str | None = None
    pieces: list[str] = []
    size: int = 0
    crc: int = 0
    final: str = ""
    raw: dict[str, Any] = {}


class OutputItems:
    """Items by id and by output index: ids may be missing, and some proxies change the one or the other.

    ``tools`` are the names of the tools that the caller declared, as soon as the provider repeats them. A custom tool
    of another name is one that the provider ran itself.
    """

    __slots__ = ("_answer", "_by_id", "_items", "_last", "_parts", "refused", "tools")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._by_id: dict[str, _Item] = {}
        self.tools: frozenset[str] | None = None
        self._items: dict[Any, _Item] = {}
        self._last: Any = None
        self._parts = 0
        self.refused = False

    def kept(self, answer: Answer) -> "OutputItems":
        """Return a copy that writes to ``answer``, for the rest of a response that is resumed."""
        twins = {id(item): msgspec.structs.replace(item, pieces=list(item.pieces)) for item in self._items.values()}
        found = OutputItems(answer)
        found._items = {key: twins[id(item)] for key, item in self._items.items()}
        found._by_id = {key: twins[id(item)] for key, item in self._by_id.items()}
        found.tools, found.refused = self.tools, self.refused
        found._last, found._parts = self._last, self._parts
        return found

    def of(self, value: dict[str, Any]) -> _Item:
        """Return the item that an event belongs to."""
        given = value.get("item_id")
        if given is None:
            given = payload.mapping(value.get("item")).get("id")
        if type(given) is not str:
            given = ""
        elif given in self._by_id:
            return self._by_id[given]
        key: Any = payload.count(value.get("output_index"))
        if key is None:
            key = given or self._last
        self._last = key
        item = self._items.get(key)
        if item is None:
            require_room(len(self._items))
            item = self._items[key] = _Item(len(self._items))
        if given:
            require_room(len(self._by_id))
            self._by_id[given] = item
        return item

    def text(self, value: dict[str, Any], field: str = "delta") -> None:
        piece, item = value.get(field), self.of(value)
        item.texted = True
        if type(piece) is not str:
            piece = payload.said(piece)
        if piece:
            data = piece.encode()
            item.size, item.crc = item.size + len(data), crc32(data, item.crc)
            self._answer.text(piece, (item.number, value.get("content_index")))

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
        item, raw = self.of(value), payload.mapping(value.get("item"))
        if raw.get("type") == "custom_tool_call":
            item.custom, item.name = True, payload.text(raw.get("name"))
        elif raw.get("type") == "function_call":
            self._named(item, raw)

    def custom_input(self, value: dict[str, Any]) -> None:
        self.of(value).custom = True
        self.arguments(value)

    def whole_arguments(self, value: dict[str, Any]) -> None:
        self.of(value).final = payload.text(value.get("arguments") or value.get("input"))

    def arguments(self, value: dict[str, Any]) -> None:
        item, piece = self.of(value), payload.text(value.get("delta"))
        item.pieces.append(piece)
        if item.custom and not (self.tools and item.name in self.tools):
            return  # perhaps the provider's own tool
        if item.call is None:
            self._named(item, value)
        self._answer.call_delta(item.call or 0, item.name, piece, item.provider_id)

    def finished(self, value: dict[str, Any]) -> None:
        """Finish an item with its whole form; emit what its deltas have not."""
        self._finish(self.of(value), value)

    def _finish(self, item: _Item, value: dict[str, Any], *, last: bool = False) -> None:
        raw = payload.mapping(value.get("item"))
        kind = payload.text(raw.get("type"))
        item.raw = raw
        if item.done or (kind == "custom_tool_call" and self.tools is None and not last):
            return  # whose tool it is will be known at the end
        item.done = True
        if kind == "message":
            self._message(value, item, raw)
        elif kind == "reasoning":
            self._reasoning(item, raw)
        elif kind == "function_call":
            self._call(item, raw)
        elif kind == "custom_tool_call" and (self.tools is None or payload.text(raw.get("name")) in self.tools):
            self._call(item, raw, custom=True)
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
        require_room(len(output))
        known: set[bytes] | None = None  # worked out only where an item has an id that did not come before
        texts: set[tuple[int, int]] = set()
        for index, raw in enumerate(output):
            if not isinstance(raw, dict):
                continue
            if payload.text(raw.get("id")) not in self._by_id:
                if known is None:
                    known = {_essence(item.raw) for item in self._items.values() if item.raw}
                    texts = {(item.size, item.crc) for item in self._items.values() if item.texted}
                if _is_known(raw, known, texts):
                    continue
            value = {"output_index": index, "item": raw}
            item = self.of(value)
            self._finish(item, value, last=True)
            if known is not None:
                known.add(_essence(raw))
                texts |= {(item.size, item.crc)} if item.texted else set()
        for item in self._items.values():
            if item.raw and not item.done:
                self._finish(item, {"item": item.raw}, last=True)

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
        content = raw.get("content")
        parts = [{"text": content}] if isinstance(content, str) else payload.sequence(content)
        for number, part in enumerate(parts):
            part = {**payload.mapping(part), **value, "content_index": number}
            if part.get("type") == "refusal":
                self.refused = True
                if not already:
                    self.refusal(part, "refusal")
            elif not already:
                self.text(part, "text")
                for source in blocks.all_cited(part.get("annotations")):
                    self._answer.append(source)

    def _reasoning(self, item: _Item, raw: dict[str, Any]) -> None:
        part = self._part(item)
        for parts in ("summary", "content") if not item.texted else ():
            pieces = [payload.text(payload.mapping(one).get("text")) for one in payload.sequence(raw.get(parts))]
            if text := "\n\n".join(filter(None, pieces)):
                self._answer.reasoning(text, part)
                break
        if raw.get("encrypted_content"):
            kept = {name: raw[name] for name in ("type", "summary", "content", "encrypted_content") if raw.get(name)}
            self._answer.start()
            self._answer.append(ReasoningDelta("", part, {"summary": [], **kept}))

    def _call(self, item: _Item, raw: dict[str, Any], *, custom: bool = False) -> None:
        self._named(item, raw)
        index = item.call or 0
        streamed = "".join(item.pieces)
        if custom:
            arguments: dict[str, Any] = {"input": payload.text(raw.get("input")) or item.final or streamed}
            final, invalid = payload.encode(arguments).decode(), None
        else:
            given = payload.said(raw.get("arguments"))
            # Some servers finish a call with "{}" although its deltas or its done event had the arguments.
            final = (item.final or streamed or given) if given.strip() in ("", "{}") else given
            arguments, invalid = payload.arguments(final)
        if raw.get("status") == "incomplete":
            arguments, invalid = {}, final or payload.NO_ARGUMENTS
        if not item.pieces:
            self._answer.call_delta(index, item.name, final, item.provider_id)
        self._answer.call(index, item.name, arguments, item.provider_id, invalid)


def _is_known(raw: dict[str, Any], known: set[bytes], texts: set[tuple[int, int]]) -> bool:
    """Tell whether a finished item has come before, under another id and at another position.

    ``texts`` are the size and the CRC-32 of the texts that came in pieces.
    """
    own = [payload.said(payload.mapping(part).get("text")) for part in payload.sequence(raw.get("content"))]
    data = "".join(own).encode()
    return _essence(raw) in known or (any(own) and (len(data), crc32(data)) in texts)


def _essence(raw: dict[str, Any]) -> bytes:
    """Return what two forms of one item have in common."""
    own = {name: value for name, value in raw.items() if name not in ("id", "status")}
    return msgspec.json.encode(own, order="deterministic")
