"""Asks the demo provider as the interface does, without its upper half: request bytes in, events out."""

from typing import Any

from providers_app.providers.demo.local import LOCAL
from providers_app.providers.demo.streaming import BEHAVIOUR, URL
from providers_app.types.chat import ChatParams, ChatRequest, Message, TextPart, Tool, ToolCallPart, ToolResultPart
from providers_app.types.credentials import Credential
from providers_app.types.events import Event, ReasoningDelta, TextDelta, ToolCall
from providers_app.types.http import HttpRequest, LocalAnswer

NONE = Credential(auth_type="none")
WEATHER = Tool(
    "weather",
    "The weather of a place.",
    {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}}},
)


def request(model: str, *texts: str, **fields: Any) -> ChatRequest:
    """A request with user messages."""
    messages = tuple(Message("user", (TextPart(text),)) for text in texts or ("Hello there",))
    return ChatRequest(model=model, messages=fields.pop("messages", messages), **fields)


async def answer(chat: ChatRequest) -> LocalAnswer:
    """What the responder gives to the request that the provider builds."""
    return await LOCAL(BEHAVIOUR.build(chat, NONE))


async def body(chat: ChatRequest) -> bytes:
    """The whole body. Raises what the connection raises."""
    return b"".join([data async for data in (await answer(chat)).chunks])


async def events(chat: ChatRequest) -> list[Event]:
    """The events of the answer."""
    reducer = BEHAVIOUR.dialect.reducer()
    found: list[Event] = []
    async for data in (await answer(chat)).chunks:
        found += reducer.feed(data)
    return found + reducer.close()


async def post(raw: bytes) -> LocalAnswer:
    """The answer to any body."""
    return await LOCAL(HttpRequest(method="POST", url=URL, body=raw))


def text_of(found: list[Event]) -> str:
    """The visible text."""
    return "".join(event.text for event in found if isinstance(event, TextDelta))


def reasoning_of(found: list[Event]) -> str:
    """The reasoning text."""
    return "".join(event.text for event in found if isinstance(event, ReasoningDelta))


def calls_of(found: list[Event]) -> list[ToolCall]:
    """The whole tool calls."""
    return [event for event in found if isinstance(event, ToolCall)]


def with_results(chat: ChatRequest, calls: list[ToolCall]) -> ChatRequest:
    """The same conversation after the tools have answered."""
    called = Message("assistant", tuple(ToolCallPart(call.id, call.name, call.arguments) for call in calls))
    results = Message("tool", tuple(ToolResultPart(call.id, call.name, f"18 degrees, {call.index}") for call in calls))
    return ChatRequest(model=chat.model, messages=(*chat.messages, called, results), tools=chat.tools)


def params(**values: Any) -> ChatParams:
    """Parameters."""
    return ChatParams(**values)
