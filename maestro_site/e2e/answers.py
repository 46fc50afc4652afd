"""Is an answer to the standard prompt a whole and a plausible one? Pure."""

import re

from providers_app.types.chat import ChatResult

LEAST_CHARS = 100
_TOPICS = {
    "FastAPI": re.compile(r"fast\s?api", re.IGNORECASE),
    "Stripe": re.compile(r"stripe", re.IGNORECASE),
    "error handling": re.compile(
        r"error[\s-]handl|handl\w*\W+(?:\w+\W+){0,4}?(?:errors?|exceptions?|failures?)|exception|\bexcept\b|\braise\b",
        re.IGNORECASE,
    ),
}


def problems(result: ChatResult) -> list[str]:
    """What does not hold, a clause each; empty for an answer that passes.

    An answer that its output limit ended counts as whole: the provider ended it itself.
    """
    found = []
    if not result.complete:
        why = f" ({result.error.code})" if result.error else ""
        found.append(f"the answer is not complete{why}")
    elif result.finish_reason not in ("stop", "length"):
        found.append(f"the answer ended with {result.finish_reason}")
    if len(result.text) <= LEAST_CHARS:
        found.append(f"the answer has {len(result.text)} characters, which is not over {LEAST_CHARS}")
    found += [f"the answer does not mention {topic}" for topic, sign in _TOPICS.items() if not sign.search(result.text)]
    return found + _usage_problems(result)


def _usage_problems(result: ChatResult) -> list[str]:
    usage = result.usage
    if usage is None or usage.source != "provider":
        return ["the provider reported no usage"]
    counts = {"input": usage.input_tokens, "output": usage.output_tokens}
    return [f"the provider reported {count or 0} {side} tokens" for side, count in counts.items() if not count]
