"""The request that goes on with a broken answer: behind its own text, or by asking the model. Pure."""

import msgspec

from providers_app.resilience.overlap import anchor_of
from providers_app.types.chat import BlockPart, ChatRequest, Message, Part, TextPart

GO_ON = (
    "Your last reply was cut off. Go on with it from exactly where it stopped, in the same language and format, and "
    "write nothing else: no comment, no apology, no heading. Begin by repeating its last words exactly as they stand "
    "there:\n\n{anchor}"
)


def prefilled(chat: ChatRequest, answered: tuple[Part, ...]) -> ChatRequest:
    """Return the request whose answer goes on right behind what was answered so far."""
    message = Message("assistant", standing(answered))
    return msgspec.structs.replace(chat, messages=(*chat.messages, message), prefilled=True)


def instructed(chat: ChatRequest, answered: tuple[Part, ...]) -> ChatRequest:
    """Return the request that asks the model to go on, and to begin with the last words of its text."""
    asked = TextPart(GO_ON.format(anchor=anchor_of(text_of(answered))))
    messages = Message("assistant", standing(answered)), Message("user", (asked,))
    return msgspec.structs.replace(chat, messages=(*chat.messages, *messages))


def text_of(parts: tuple[Part, ...]) -> str:
    """Return the text of an answer."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def standing(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return what of a broken answer can stand in the request that goes on with it, up to its last text.

    That is its text, and the provider's own blocks between; a call or reasoning that may be cut is left out. White
    space at the end is not sent: the formats refuse it, or cut it off.
    """
    kept = [part for part in parts if isinstance(part, TextPart | BlockPart)]
    while kept and not (isinstance(last := kept[-1], TextPart) and last.text.strip()):
        kept.pop()
    if kept and isinstance(last := kept[-1], TextPart):
        kept[-1] = msgspec.structs.replace(last, text=last.text.rstrip())
    return tuple(kept)
