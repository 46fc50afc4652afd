"""The reliability proof at a size for every run; ``make proofs`` tells every story in full. And: would it notice?"""

from tests.proofs import reliability
from tests.proofs.reliability import answers, outages
from tests.proofs.reliability.story import Row, Story

SMALL = ("text without end, alone",)


def test_an_answer_without_end_is_ended_and_costs_little_memory() -> None:
    lines: list[str] = []
    stories = [story for story in reliability.STORIES if story.name in SMALL]
    assert len(stories) == len(SMALL)
    assert reliability.run(False, lines.append, stories), "\n".join(lines)


def test_postgres_and_redis_may_go_away_and_come_back() -> None:
    lines: list[str] = []
    try:
        assert reliability.run(False, lines.append, outages.STORIES), "\n".join(lines)
    finally:
        outages.close()


def test_an_answer_that_ends_otherwise_and_too_much_memory_are_noticed() -> None:
    row = Row(most=answers.MOST_MIB + 1)
    answers.judge(row, [{"error": None}], 2)
    assert row.problems == [
        "the answers ended as None",
        "1 of 2 answers ended within 300 s",
        "more than 200 MiB on top",
    ]
    assert row.line("text").endswith("| no |")


def test_a_story_that_breaks_is_a_row_and_hides_no_other() -> None:
    def broken(full: bool) -> Row:
        raise RuntimeError("no server")

    lines: list[str] = []
    stories = [Story("first", broken), Story("second", lambda full: Row(recovery="at once"))]
    assert not reliability.run(False, lines.append, stories)
    assert lines[2:] == [
        "| first | | | | | no |",
        "| second |  |  |  | at once | yes |",
        "",
        "- first: RuntimeError: no server",
    ]
