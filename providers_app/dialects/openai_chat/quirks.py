"""What becomes of a request before it is written for a server that cannot take all of it; each step says no less."""

import msgspec

from providers_app.dialects.openai_chat.request import RequestForm
from providers_app.errors import InvalidRequest
from providers_app.types.chat import ChatRequest, ImagePart, Message, TextPart, ToolChoice
from providers_app.wire import payload

SCHEMA = "Answer with one JSON object and nothing else. It must be valid against this JSON Schema:\n"
"""The instruction in front, where a server takes no schema but only the wish for JSON; some insist on the word."""


def prepared(chat: ChatRequest, form: RequestForm) -> ChatRequest:
    """The request as the server can take it.

    A picture's address is refused where only its bytes are taken. A choice among tools that the server has no word for
    is made by giving it fewer tools: none, or the named one alone. A schema that cannot be sent stands in words.

    Raises ``InvalidRequest``.
    """
    if not form.image_urls:
        _refuse_addresses(chat)
    chat = _fewer_tools(chat, form)
    wanted = chat.params.response_schema
    if wanted is None or form.structured != "json_object":
        return chat
    said = Message("system", (TextPart(SCHEMA + payload.encode(wanted.schema).decode()),))
    return msgspec.structs.replace(chat, messages=(said, *chat.messages))


def _refuse_addresses(chat: ChatRequest) -> None:
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, ImagePart) and part.url and not part.url.startswith("data:"):
                raise InvalidRequest(
                    "This server takes pictures only as data, not by their address.",
                    hint="Attach the picture itself, or set the session's option image_urls to true if the server "
                    "fetches addresses.",
                )


def _fewer_tools(chat: ChatRequest, form: RequestForm) -> ChatRequest:
    choice, silent = chat.tool_choice, "tool_choice" in form.unsupported
    if choice.mode == "none" and silent:
        return msgspec.structs.replace(chat, tools=(), tool_choice=ToolChoice())
    if choice.mode == "tool" and (silent or not form.named_tool_choice):
        named = tuple(tool for tool in chat.tools if tool.name == choice.name)
        return msgspec.structs.replace(chat, tools=named, tool_choice=ToolChoice("required"))
    return chat
