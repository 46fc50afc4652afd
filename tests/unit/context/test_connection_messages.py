"""What a chat's connection does with news: of its own process once, of others too, and of nothing that it knows not."""

from typing import Any
from uuid import uuid4

import pytest

from context_app import connection
from context_app.access import Viewer
from context_app.connection import FOREIGN, MAX_READERS, RESTART, SIGNED_OUT, ChatConnection, close_code
from context_app.errors import SignedOut
from context_app.streams.reader import UnknownStream
from context_app.streams.runtime import current
from providers_app.errors import UnknownContext
from tests.unit.context.streams_kit import Kit

pytestmark = pytest.mark.usefixtures("kit")


class Told(ChatConnection):
    """A connection that notes what it would begin."""

    def __init__(self) -> None:
        async def nothing(*_: Any) -> None: ...

        super().__init__(Viewer(1, None), uuid4(), nothing, nothing)
        self.begun: list[Any] = []

    def _spawn(self, work: Any, *args: Any) -> None:
        self.begun.append((work, *args))


@pytest.fixture
async def told(kit: Kit) -> Told:
    return Told()


async def test_a_turn_is_announced_and_a_shutdown_asks_for_another_connection(told: Told) -> None:
    turn = uuid4()
    told._on_message({"type": "turn", "turn": str(turn)})
    told._on_message({"type": "shutdown"})
    told._on_message({"type": "of a newer version"})
    told._on_message({})
    assert told.begun == [(told._announce, turn), (told._disconnect, RESTART)]


@pytest.mark.parametrize("ours", [True, False])
async def test_news_of_this_process_was_heard_already(told: Told, ours: bool) -> None:
    process = current().process if ours else "another"
    told._on_remote_message({"type": "shutdown", "process": process})
    assert len(told.begun) == (0 if ours else 1)


async def test_so_many_answers_are_read_on_one_connection_and_no_more(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pump(*_: Any) -> None: ...

    monkeypatch.setattr(connection, "MAX_READERS", 2)
    monkeypatch.setattr(told, "_pump", pump)
    first, second = uuid4(), uuid4()
    told._read(first, 0)
    told._read(second, 0)
    told._read(first, 7)
    assert set(told._readers) == {first, second}, "again the same is no further one"
    with pytest.raises(UnknownStream, match="At most 2 answers"):
        told._read(uuid4(), 0)
    assert MAX_READERS > 2
    await told.close()


def test_a_person_who_may_not_read_is_told_which_way_it_is() -> None:
    assert close_code(SignedOut("x")) == SIGNED_OUT and close_code(UnknownContext("x")) == FOREIGN
    assert len({SIGNED_OUT, FOREIGN, RESTART}) == 3
