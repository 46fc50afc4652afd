"""Kinds of settings that several ``Config`` models declare; imports neither Django nor the HTTP client."""

from typing import Annotated, Any

from pydantic import BeforeValidator


def split(value: Any) -> Any:
    """The items of a text with commas, which is how an environment variable holds a list; else the value itself."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(split)]
"""A list of names."""
Ports = Annotated[tuple[int, ...], BeforeValidator(split)]
"""A list of port numbers."""


def known_flows(value: tuple[str, ...], restricted: tuple[str, ...]) -> tuple[str, ...]:
    """A provider's ``enabled_flows``. Raises ``ValueError`` for a name that is no restricted flow of it."""
    unknown = next((name for name in value if name not in restricted), None)
    if unknown is not None:
        raise ValueError(f"there is no restricted flow {unknown!r}; there are {', '.join(restricted)}")
    return value
