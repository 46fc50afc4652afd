"""A process of the race: ``python -m tests.proofs.race_worker``.

It reads one JSON object per line, ``{"at": ..., "trigger": ..., "sessions": {id: seen generation}}``, waits until
``time.monotonic()`` is ``at`` (the clock of the machine, the same for every process), refreshes all of these sessions
at once, and writes one line with what became of each.
"""

import asyncio
import faulthandler
import json
import sys
import time
from typing import Any


async def refresh(session_id: str, trigger: Any, seen: int) -> dict[str, Any]:
    """One refresh, and when it was answered."""
    from providers_app.errors import ProviderError
    from providers_app.refresh.service import refresh_session

    begun = time.monotonic()
    try:
        # A request knows which credential was refused; the schedule knows nothing.
        known = seen if trigger == "unauthorized" else None
        report = await refresh_session(session_id, trigger=trigger, seen_generation=known)
        found = {"done": report.done, "generation": report.generation, "why": report.why, "code": report.code}
    except ProviderError as error:
        found = {"done": "error", "generation": -1, "why": error.message, "code": error.code}
    return {"session": session_id, "begun": begun, "ended": time.monotonic(), **found}


async def race(order: dict[str, Any]) -> list[dict[str, Any]]:
    """All sessions of one order, at its moment."""
    await asyncio.sleep(max(order["at"] - time.monotonic() - 0.002, 0))
    while time.monotonic() < order["at"]:
        pass
    jobs = (refresh(session_id, order["trigger"], seen) for session_id, seen in order["sessions"].items())
    return list(await asyncio.gather(*jobs))


def main() -> None:
    faulthandler.enable()
    import django

    django.setup()
    from maestro_site import bootstrap
    from providers_app import loop
    from sessions_app.stores import pool

    bootstrap.prepare_key_ring()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(loop.run(race(json.loads(line)), 120)), flush=True)
    pool.shutdown()


if __name__ == "__main__":
    main()
