"""The wire formats, sans I/O: requests into bytes, bytes into events. A provider names the one that it speaks.

Import order matters nowhere here: a dialect knows the types and the wire, never a provider.
"""

from providers_app.dialects import anthropic_messages, gemini_generate, openai_chat, openai_responses
from providers_app.errors import InvalidRequest
from providers_app.types.dialect import Dialect

DIALECTS: dict[str, Dialect] = {
    module.DIALECT.name: module.DIALECT
    for module in (openai_chat, openai_responses, anthropic_messages, gemini_generate)
}


def by_name(name: str) -> Dialect:
    """Return the dialect called ``name``, in its plain form. Raise ``InvalidRequest`` that lists the known names."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise InvalidRequest(
            f"There is no dialect called {name!r}.", hint=f"Known dialects: {', '.join(sorted(DIALECTS))}."
        ) from None
