"""The ends of scripts at a size for every run; ``make proofs`` runs 100. And: would it notice?"""

import pytest

from tests.proofs import script_end


def test_scripts_that_end_right_after_a_stream_lose_nothing() -> None:
    lines: list[str] = []
    assert script_end.run(len(script_end.ENDINGS), lines.append), "\n".join(lines)


@pytest.mark.parametrize("body", ["asyncio.run(make())", "asyncio.run(make())\nloop.run(ask('demo-n1').__anext__())"])
def test_the_check_notices_lost_outcomes_and_noise(body: str) -> None:
    assert not script_end.run(1, print, {"a fault": script_end.Ending(body=body)})
