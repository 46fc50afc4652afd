"""The provider loop never waits for a file of models: it has the last one while a thread reads the next."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers_app import conf
from providers_app.dispatch import prepare as opening
from providers_app.model_data.library import facts, library
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.credentials import Credential, Secret
from tests.unit.providers.memory_store import MemorySessions

pytestmark = pytest.mark.usefixtures("on_loop")

AGAIN = "providers_app.model_data.library.RESCAN_S"
PATIENCE_S = 20


def text(window: int) -> str:
    entry = {"context_window": window, "source": "s"}
    sources = {"s": {"from": "a test", "as_of": "2026-11-20"}}
    return json.dumps({"format": 1, "provider": "openai", "sources": sources, "models": {"own": entry}})


def put(path: Path, content: str) -> None:
    path.write_text(content)


def pipe_at(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def window() -> int | None:
    info = facts("openai", "own")
    return info.context_window if info is not None else None


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """The operator's file for a provider; nothing was read yet."""
    library.reset()
    with conf.use(ProvidersConfig(model_data_dir=str(tmp_path))):
        yield tmp_path / "openai.json"
    library.reset()


async def test_a_request_finds_the_files_read_although_nobody_asked_before(own: Path, sessions: MemorySessions) -> None:
    put(own, text(1))
    await sessions.create(1, "openai", "api_key", "box", Credential(auth_type="api_key", secret=Secret("sk-1")))
    await opening.find(1, "openai", "box")
    assert window() == 1


async def test_the_loop_has_the_last_file_while_a_thread_reads_the_next(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(own, text(1))
    await asyncio.to_thread(library.scan, "openai")
    pipe_at(own)  # a disk that answers when the test wants it to
    opened, answers = threading.Event(), threading.Event()

    def disk() -> None:
        with own.open("w") as pipe:
            opened.set()
            answers.wait(PATIENCE_S)
            pipe.write(text(2))

    writer = threading.Thread(target=disk, daemon=True)
    writer.start()
    monkeypatch.setattr(AGAIN, 0.0)
    assert window() == 1
    monkeypatch.setattr(AGAIN, 3600.0)
    assert await asyncio.to_thread(opened.wait, PATIENCE_S)
    assert window() == 1, "nobody waits for who is reading"
    before = library.index("openai")
    assert library.index("openai", "api.example.com") is before
    await asyncio.wait_for(library.ready("openai", "api.example.com"), PATIENCE_S)
    answers.set()
    await asyncio.to_thread(library.settle)
    await asyncio.to_thread(writer.join)
    assert window() == 2
    assert library.index("openai") is not before


async def test_a_broken_file_is_looked_at_behind_and_leaves_the_last_good_one(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(own, text(1))
    await library.ready("openai")
    monkeypatch.setattr(AGAIN, 0.0)
    kept = library.index("openai")
    await asyncio.to_thread(library.settle)
    assert library.index("openai") is kept, "nothing changed"
    await asyncio.to_thread(library.settle)
    put(own, "{")
    assert window() == 1
    await asyncio.to_thread(library.settle)
    assert window() == 1
    assert [path for path, _ in await asyncio.to_thread(library.problems, "openai")] == [str(own)]
    put(own, text(30))
    window()
    await asyncio.to_thread(library.settle)
    assert window() == 30
