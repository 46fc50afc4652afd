"""A model on a page: its figures with their sources, its abilities in words, and a warning where one is due."""

from datetime import date, timedelta
from typing import Any

import pytest

from providers_app.types.catalogue import Figure, ModelInfo
from sessions_app.presenters import model_rows
from sessions_app.presenters.model_rows import ENDS_SOON_DAYS, Warned

TODAY = date(2026, 3, 10)


def model(**columns: Any) -> ModelInfo:
    return ModelInfo(id="m", **columns)


@pytest.mark.parametrize(
    ("source", "as_of", "label", "title"),
    [
        ("provider", "2026-03-09", "", "The provider said so on 9 Mar 2026."),
        ("provider", "", "", "The provider said so."),
        ("configured", "2026-03-09", "configured", "The operator configured it."),
        ("shipped", "2026-03-09", "file · 1 d", "From Maestro's model file; its source said so on 9 Mar 2026."),
        ("shipped", "2026-03-10", "file", "From Maestro's model file; its source said so on 10 Mar 2026."),
        ("shipped", "2026-03-11", "file", "From Maestro's model file; its source said so on 11 Mar 2026."),
        ("shipped", "", "file", "From Maestro's model file; its source said so."),
        ("shipped", "no day", "file", "From Maestro's model file; its source said so."),
    ],
)
def test_a_figure_says_where_it_is_from(source: Any, as_of: str, label: str, title: str) -> None:
    known = model(context_window=1000, figures={"context_window": Figure(source, as_of)})
    cell = model_rows.cell(known, "context_window", TODAY)
    assert (cell.value, cell.label, cell.title) == (1000, label, title)


def test_a_figure_that_is_unknown_or_has_no_source_says_nothing() -> None:
    figures = {"context_window": Figure("provider")}
    for known, value in ((model(figures=figures), None), (model(context_window=7), 7)):
        cell = model_rows.cell(known, "context_window", TODAY)
        assert (cell.value, cell.label, cell.title) == (value, "", "")


def test_a_row_has_each_figure_in_its_place() -> None:
    figures = {"input_price": Figure("configured"), "output_price": Figure("provider")}
    row = model_rows.row(
        model(
            context_window=1000, max_output_tokens=200, input_price=3.0, output_price=15.0, cached_input_price=0.3,
            cache_write_price=3.75, figures=figures,
        ),
        TODAY,
    )  # fmt: skip
    assert (row.window.value, row.output.value, row.price_in.value, row.price_out.value) == (1000, 200, 3.0, 15.0)
    assert row.extras == (("cached", 0.3), ("cache write", 3.75))
    assert (row.price_label, row.price_title) == ("configured", "The operator configured it.")
    only_out = model_rows.row(model(output_price=15.0, figures=figures), TODAY)
    assert (only_out.price_label, only_out.price_title) == ("", "The provider said so.")
    assert only_out.extras == () and not only_out.free


@pytest.mark.parametrize(
    ("prices", "free"), [((0, 0), True), ((0, 1.0), False), ((1.0, 0), False), ((None, None), False)]
)
def test_only_a_model_without_any_price_is_free(prices: Any, free: bool) -> None:
    assert model_rows.row(model(input_price=prices[0], output_price=prices[1]), TODAY).free is free


@pytest.mark.parametrize(
    ("reads", "abilities"),
    [
        (("text",), ("tools", "parallel tools", "reasoning", "pictures", "schemas", "new_ability")),
        (("text", "image", "pdf"), ("tools", "parallel tools", "reasoning", "schemas", "new_ability")),
    ],
)
def test_abilities_are_words_and_pictures_are_said_once(reads: Any, abilities: Any) -> None:
    names: Any = (
        "chat", "streaming", "models", "count_tokens", "tools", "parallel_tools", "reasoning", "images_in",
        "structured_output", "new_ability",
    )  # fmt: skip
    row = model_rows.row(model(input_modalities=reads, output_modalities=("text", "audio"), capabilities=names), TODAY)
    assert (row.abilities, row.reads, row.writes) == (abilities, reads[1:], ("audio",))


@pytest.mark.parametrize(
    ("source", "words"), [("provider", ""), ("shipped", "from the model file"), ("configured", "configured")]
)
def test_the_whole_entry_says_where_it_is_from(source: Any, words: str) -> None:
    assert model_rows.row(model(source=source), TODAY).origin == words


def in_days(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("lifecycle", "retires_at", "warned"),
    [
        ("active", None, None),
        (None, None, None),
        ("retired", None, ("bad", "retired")),
        ("retired", "2026-03-01", ("bad", "retired 1 Mar 2026")),
        ("active", in_days(0), ("bad", "retired 10 Mar 2026")),
        ("active", in_days(1), ("warn", "retires 11 Mar 2026")),
        ("active", in_days(ENDS_SOON_DAYS), ("warn", "retires 8 Jun 2026")),
        ("active", in_days(ENDS_SOON_DAYS + 1), None),
        ("deprecated", in_days(ENDS_SOON_DAYS + 1), ("warn", "retires 9 Jun 2026")),
        ("deprecated", None, ("warn", "deprecated")),
        ("preview", None, ("info", "preview")),
        ("preview", in_days(1), ("warn", "retires 11 Mar 2026")),
    ],
)
def test_a_model_that_ends_or_is_not_finished_is_warned_of(lifecycle: Any, retires_at: Any, warned: Any) -> None:
    found = model_rows.row(model(lifecycle=lifecycle, retires_at=retires_at), TODAY).warned
    assert (found and (found.kind, found.text)) == warned


@pytest.mark.parametrize(("days", "words"), [(1, "tomorrow"), (2, "in 2 days"), (90, "in 90 days")])
def test_a_warning_says_how_long_is_left(days: int, words: str) -> None:
    found = model_rows.warned(model(retires_at=in_days(days)), TODAY)
    assert isinstance(found, Warned)
    assert found.title == f"The provider switches it off {words}. Choose another one."


@pytest.mark.parametrize(
    ("text", "day"), [("2026-03-09", date(2026, 3, 9)), ("2026-03-09T10:00:00Z", date(2026, 3, 9)), ("", None),
                      (None, None), ("soon", None)],
)  # fmt: skip
def test_a_day_is_read_of_a_date_or_a_time(text: str | None, day: date | None) -> None:
    assert model_rows.day(text) == day
