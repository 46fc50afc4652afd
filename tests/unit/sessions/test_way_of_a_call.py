"""How many functions of ours one streamed call goes through, once its session is known: a short way stays readable."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from django.contrib.auth.models import User

from providers_app import loop, provider
from providers_app.types.events import StreamEnd
from tests.unit.sessions.support import make_remote, settle
from tests.vendors.server import VendorServer

ROOT = Path(__file__).resolve().parents[3]
MOST_FUNCTIONS, MOST_FILES = 175, 53


@contextmanager
def followed() -> Iterator[dict[str, set[str]]]:
    """Collect the functions of ours that this thread calls inside the block, by file; comprehensions do not count."""
    found: dict[str, set[str]] = defaultdict(set)

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name.startswith("<") or not code.co_filename.startswith(str(ROOT)):
            return
        path = Path(code.co_filename).relative_to(ROOT)
        if path.parts[0].endswith(("_app", "_site")):
            found[str(path)].add(code.co_qualname)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


@pytest.mark.django_db(transaction=True)
def test_a_streamed_call_goes_a_short_way(alice: User, vendor: VendorServer) -> None:
    make_remote(alice, vendor)

    async def ask() -> None:
        options = {"model": "local-large-text", "owner": alice.pk}
        events = [event async for event in provider.stream_chat("remote", "local_llama", "Hello", **options)]
        assert isinstance(events[-1], StreamEnd)

    async def story() -> dict[str, set[str]]:
        for _ in range(2):
            await ask()
        with followed() as found:
            await ask()
        return found

    try:
        found = loop.run(story(), 60)
    finally:
        settle()
    functions = sum(map(len, found.values()))
    table = "\n".join(f"{path}: {', '.join(sorted(names))}" for path, names in sorted(found.items()))
    print(f"{table}\n{functions} functions in {len(found)} files")
    assert functions > 50, "nothing was followed"
    assert functions <= MOST_FUNCTIONS and len(found) <= MOST_FILES, table
