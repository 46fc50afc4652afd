"""The last step of every request: what the caller adds, what the server does not know, and the bytes."""

from typing import Any

from providers_app.wire import payload


def to_bytes(body: dict[str, Any], extra: dict[str, Any], unsupported: frozenset[str] = frozenset()) -> bytes:
    """The JSON bytes of ``body`` with ``extra`` merged into it and without the ``unsupported`` top-level fields.

    Objects are merged key by key; anything else in ``extra`` replaces. A field that the caller put into ``extra`` is
    sent even when it is listed as unsupported.
    """
    kept = {name: value for name, value in body.items() if value is not None and name not in unsupported}
    return payload.encode(_merged(kept, extra))


def _merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in extra.items():
        present = result.get(name)
        result[name] = _merged(present, value) if isinstance(present, dict) and isinstance(value, dict) else value
    return result


def schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool's JSON Schema with the top level that every provider insists on."""
    if parameters.get("type") == "object" and "properties" in parameters:
        return parameters
    return {"type": "object", "properties": {}, **parameters}
