"""``python -m tests.proofs.chaos.script``: a Python script that uses Maestro, as the surface of a fault.

Each line on stdin is a JSON object that says what to do: ``create`` a session, ``ask`` one, or ``stop`` a question by
its prompt; each answer is a line of JSON with the same ``id``. Questions run beside one another.
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

    given = {"api_key": "key-of-the-matrix", "base_url": order["base_url"], "settings": order.get("settings")}
    made = await provider.create_session("remote", "api_key", name=order["name"], **given)
    return {"session": made.id}


asking: dict[str, "asyncio.Task[Any]"] = {}
"""The questions that run, by their prompts."""


async def _asked(order: dict[str, Any]) -> dict[str, Any]:
    """Ask on a task of its own, and return what came; of a question that was stopped, when that was over."""
    asking[order["prompt"]] = task = asyncio.create_task(_ask(order))
    await asyncio.wait([task])
    del asking[order["prompt"]]
    return {"code": "stopped", "ended": time.monotonic()} if task.cancelled() else task.result()


async def _stop(order: dict[str, Any]) -> dict[str, Any]:
    """Leave the iteration of a question, and return when that began."""
    began = time.monotonic()
    asking[order["prompt"]].cancel()
    return {"began": began}


async def _carry_out(line: str) -> None:
    order = json.loads(line)
    try:
        found = await {"create": _create, "ask": _asked, "stop": _stop}[order["do"]](order)
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
