"""The ends of scripts at a size for every run, those that are easily lost; ``make proofs`` runs all. And: would it
notice?"""

from pathlib import Path

import pytest

from tests.processes import prepared
from tests.proofs import script_end

SMALL = (
    "break in the middle",
    "exit in the middle",
    "after an answer that broke off",
    "a stored answer",
    "a stored answer, left in the middle",
)


def test_scripts_that_end_right_after_a_stream_lose_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    endings = {name: script_end.ENDINGS[name] for name in SMALL}
    assert script_end.run(len(endings), lines.append, endings, prepared(tmp_path / "data")), "\n".join(lines)


@pytest.mark.parametrize("body", ["asyncio.run(make())", "print('noise', file=sys.stderr)"])
def test_the_check_notices_lost_outcomes_and_noise(tmp_path: Path, body: str) -> None:
    endings = {"a fault": script_end.Ending(body=body)}
    assert not script_end.run(1, print, endings, prepared(tmp_path / "data"))
