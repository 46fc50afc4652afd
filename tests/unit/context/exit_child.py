"""A server without lifespan: it writes an answer and simply ends. ``python exit_child.py DATABASE SPOOL``"""

import asyncio
import sys
from pathlib import Path


async def _serve(folder: Path) -> None:
    from context_app.streams import runtime
    from tests.unit.context import streams_kit

    runtime._registered = False
    runtime.current()
    kit = await streams_kit.open_kit(folder)
    live = await kit.begin(streams_kit.words(100_000, every=0.002))
    await streams_kit.until(lambda: live.accepted > 40)
    print(live.id, live.accepted, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    import django

    django.setup()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_serve(Path(sys.argv[2])))
