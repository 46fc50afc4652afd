"""A model that goes on with its own answer: behind a prefix, or because it is asked to."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.vendors.plan import Plan
    from tests.vendors.script import Ask

ASKED = "Your last reply was cut off."
"""How a request begins in which a model is asked to go on; the words to begin with are its last paragraph."""


def read(messages: Iterable[tuple[str, str]], *, prefix: bool) -> dict[str, str]:
    """The question, the text to go on behind, and the words to begin with, of a conversation (role and text).

    ``prefix``: a last message of the assistant is the beginning of the answer.
    """
    said = [(role, text) for role, text in messages if role in ("user", "assistant")]
    users = [text for role, text in said if role == "user"]
    if prefix and said and said[-1][0] == "assistant":
        return {"last_text": users[-1] if users else "", "behind": said[-1][1]}
    if len(said) > 2 and said[-1][1].startswith(ASKED) and said[-2][0] == "assistant":
        anchor = said[-1][1].partition("\n\n")[2]
        return {"last_text": said[-3][1], "behind": said[-2][1], "anchor": anchor}
    return {"last_text": users[-1] if users else ""}


def rest(plan: "Plan", ask: "Ask", whole: str) -> str:
    """What the model writes where the answer is to be ``whole``; one that does not fit its beginning starts anew."""
    if not ask.behind or not whole.startswith(ask.behind):
        return whole
    following = whole[len(ask.behind) :]
    if ask.echo:
        return ask.behind + following
    if not ask.anchor:
        return following
    words = [found.start() for found in re.finditer(r"\S+", ask.behind)]
    last = ask.behind[words[-min(plan.again, len(words))] :] if plan.again else ""
    again = ask.anchor if plan.again is None else last
    return f"\n {again.replace(' ', '  ')}{following}" if plan.spaced else again + following
