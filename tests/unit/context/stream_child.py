"""A process that writes answers and prints everything that its readers are shown, until it is killed.

python stream_child.py DATABASE_NAME SPOOL_FOLDER STREAMS WORDS COMMIT_MS
"""

import asyncio
import sys
from pathlib import Path


def main() -> None:
    from django.conf import settings

    database, folder, streams, words, commit_ms = sys.argv[1:]
    settings.DATABASES["default"]["NAME"] = database
    import django

    django.setup()
    asyncio.run(_serve(Path(folder), int(streams), int(words), int(commit_ms)))


async def _serve(folder: Path, streams: int, words: int, commit_ms: int) -> None:
    from context_app import lifespan
    from context_app.conf import ContextConfig
    from tests.unit.context import streams_kit

    kit = await streams_kit.open_kit(folder, ContextConfig(commit_interval_ms=commit_ms))
    await lifespan.startup()
    lives = [await kit.begin(streams_kit.words(words, every=0.001)) for _ in range(streams)]
    print("ready", *(live.id for live in lives), flush=True)

    async def show(stream: object) -> None:
        from context_app.streams.reader import Batch, read

        async for item in read(stream):  # type: ignore[arg-type]
            if isinstance(item, Batch):
                for event in item.events:
                    sys.stdout.write(f"{stream} {event.decode()}\n")
                sys.stdout.flush()

    await asyncio.gather(*(show(live.id) for live in lives))
    print("done", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    main()
