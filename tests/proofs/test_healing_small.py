"""Stories of the reliability proof in which something breaks inside the server, at a size for every run."""

import pytest

from tests.proofs import reliability
from tests.proofs.reliability import full_disk
from tests.proofs.reliability.full_disk import Untold
from tests.proofs.reliability.story import Row

SMALL = (
    "torn files in the task queue",
    "the worker's thread is ended",
    "a page on another port opens a chat's socket",
    "a full disk under a running answer",
)


@pytest.mark.parametrize("name", SMALL)
def test_the_server_goes_on(name: str) -> None:
    lines: list[str] = []
    (story,) = (story for story in reliability.STORIES if story.name == name)
    assert reliability.run(False, lines.append, [story]), "\n".join(lines)


def test_where_no_disk_can_be_mounted_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise Untold("not told: no tmpfs can be mounted here (must be superuser)")

    monkeypatch.setattr(full_disk, "small_disk", refused)
    row: Row = full_disk.STORIES[0].tell(False)
    assert (row.recovery, row.problems) == ("not told: no tmpfs can be mounted here (must be superuser)", [])
