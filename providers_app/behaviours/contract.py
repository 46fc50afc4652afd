"""Comparison of a value with a Protocol: names, kinds (plain, coroutine, async generator), signatures are compared.

``isinstance`` on a Protocol sees names only, and a plain function where a coroutine is awaited fails at the worst time.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal

import msgspec

WORDS = {"coroutine": "a coroutine function", "async generator": "an async generator", "plain": "a plain function"}
Problem = Literal["missing", "signature", "must_be_async", "must_be_sync"]


class Violation(msgspec.Struct, frozen=True):
    """``message`` continues a sentence that begins with the value's name."""

    problem: Problem
    member: str
    message: str


def violations(value: Any, protocol: type) -> list[Violation]:
    """Return how ``value`` fails to satisfy ``protocol``, in the order of the Protocol's members."""
    found: list[Violation] = []
    for name, wanted in _members(protocol):
        try:
            given = getattr(value, name)
        except AttributeError:
            found.append(Violation("missing", name, f"has no {name}"))
        except Exception as error:  # noqa: BLE001  a property is code of the provider
            found.append(Violation("missing", name, f"has {name}, which fails with {type(error).__name__}"))
        else:
            if isinstance(wanted, property):
                continue
            if not callable(given):
                found.append(Violation("signature", name, f"has {name}, but it cannot be called"))
            elif problem := _kind(name, wanted, given) or _signature(name, wanted, given):
                found.append(problem)
    return found


def _members(protocol: type) -> list[tuple[str, Any]]:
    return [
        (name, member)
        for name, member in vars(protocol).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    ]


def _kind(name: str, wanted: Any, given: Any) -> Violation | None:
    if (must := kind_of(wanted)) == (does := kind_of(given)):
        return None
    problem: Problem = "must_be_sync" if must == "plain" else "must_be_async"
    return Violation(problem, name, f"has {name} as {WORDS[does]}, but it must be {WORDS[must]}")


def kind_of(function: Any) -> str:
    """Return ``coroutine``, ``async generator`` or ``plain``."""
    if inspect.isasyncgenfunction(function):
        return "async generator"
    called = function if inspect.isroutine(function) else type(function).__call__
    return "coroutine" if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called) else "plain"


def _signature(name: str, wanted: Callable[..., Any], given: Callable[..., Any]) -> Violation | None:
    """Return a violation where ``given`` cannot be called the way callers call ``wanted``."""
    try:
        theirs = inspect.signature(given)
    except (TypeError, ValueError):
        return None  # a callable of C has no signature to compare
    ours = list(inspect.signature(wanted).parameters.values())[1:]  # without self
    positional = [p for p in ours if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = {p.name: None for p in ours if p.kind is p.KEYWORD_ONLY}
    try:
        theirs.bind(*(None for _ in positional), **keywords)
        theirs.bind(**{p.name: None for p in ours})
    except TypeError as error:
        shape = ", ".join(p.name for p in ours)
        return Violation("signature", name, f"has {name}{theirs}, but it is called as {name}({shape}): {error}")
    return None
