"""The wire formats, sans I/O: requests into bytes, bytes into events. A provider names the one that it speaks.

A dialect knows the types and the wire, never a provider. It is imported when it is first spoken.
"""

from importlib import import_module

from providers_app.errors import InvalidRequest
from providers_app.types.dialect import Dialect

NAMES = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate")


def by_name(name: str) -> Dialect:
    """Return the dialect called ``name``, in its plain form. Raise ``InvalidRequest`` that lists the known names."""
    if name not in NAMES:
        raise InvalidRequest(
            f"There is no dialect called {name!r}.", hint=f"Known dialects: {', '.join(sorted(NAMES))}."
        )
    found: Dialect = import_module(f"{__name__}.{name}").DIALECT
    return found
