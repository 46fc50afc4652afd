"""The page about parameters says what the rules say."""

from tests.unit.providers.advice.tables import PAGE, written


def test_the_tables_of_the_page_are_those_of_the_rules() -> None:
    assert PAGE.read_text() == written(), "run: python -m tests.unit.providers.advice.tables"
