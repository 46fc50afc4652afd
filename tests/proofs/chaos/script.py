"""``python -m tests.proofs.chaos.script``: a Python script that uses Maestro, as the surface of a fault.

Each line on stdin is a JSON object that says what to do: ``create`` a session or ``ask`` one; each answer is a line of
JSON with the same ``id``. Questions run beside one another.
"""

import asyncio
import json
import sys
import time
from typing import Any

import maestro_site


async def _ask(order: dict[str, Any]) -> dict[str, Any]:
    from providers_app import errors, provider
    from providers_app.streaming import fold
    from providers_app.types.events import TextDelta

    events, first = [], 0.0
    try:
        stream = provider.stream_chat(
            "remote", order["session"], order["prompt"], model=order["model"], store=order.get("store", True)
        )
        async for event in stream:
            if not first and isinstance(event, TextDelta) and event.text:
                first = time.monotonic()
            events.append(event)
    except errors.ProviderError as error:
        return {"code": error.code, "context": error.context_id, "retry_after": getattr(error, "retry_after", None)}
    result = fold(events)
    code = result.error.code if result.error else ""
    return {
        "code": code,
        "text": result.text,
        "complete": result.complete,
        "context": result.context_id,
        "first": first,
    }


async def _create(order: dict[str, Any]) -> dict[str, Any]:
    from providers_app import provider

    made = await provider.create_session(
        "remote", "api_key", name=order["name"], api_key="key-of-the-matrix", base_url=order["base_url"]
    )
    return {"session": made.id}


async def _carry_out(line: str) -> None:
    order = json.loads(line)
    try:
        found = await (_create if order["do"] == "create" else _ask)(order)
    except Exception as error:
        found = {"code": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps({"id": order["id"], **found}) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Carry out orders until stdin ends."""
    running: set[asyncio.Task[None]] = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        running.add(task := asyncio.create_task(_carry_out(line)))
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    maestro_site.setup()
    asyncio.run(main())
