"""What this process counts: by ids and codes, once for each request, and bounded."""

import logging

import pytest

from providers_app import measures
from providers_app.dispatch.lanes import current
from providers_app.measures import DURATION, FIRST_OUTPUT, OTHER, REQUESTS, TOKENS_USED, Measures, Sample
from providers_app.ports import Session
from providers_app.types.events import Usage


def test_a_request_is_counted_with_its_tokens_and_its_times() -> None:
    here = Measures()
    row = here.row("openai", "s1", "gpt-x")
    row.ended("ok", Usage(input_tokens=10, output_tokens=4, cached_input_tokens=6), 0.4, 1.2)
    row.ended("ok", Usage(input_tokens=1), 0.06, 700.0)
    row.ended("upstream_overloaded", None, None, 9.0)
    found = here.snapshot()
    assert found.counters == {
        (REQUESTS.name, "openai", "s1", "gpt-x", "ok"): 2,
        (REQUESTS.name, "openai", "s1", "gpt-x", "upstream_overloaded"): 1,
        (TOKENS_USED.name, "openai", "s1", "gpt-x", "input"): 11,
        (TOKENS_USED.name, "openai", "s1", "gpt-x", "output"): 4,
        (TOKENS_USED.name, "openai", "s1", "gpt-x", "cached_input"): 6,
    }
    first, whole = found.histograms[FIRST_OUTPUT.name, "openai"], found.histograms[DURATION.name, "openai"]
    assert sum(first[:-1]) == sum(whole[:-1]) == 2, "one that never began says nothing of how long answers take"
    assert first[measures.BOUNDS_S.index(0.5)] == first[measures.BOUNDS_S.index(0.1)] == 1
    assert whole[-2] == 1 and whole[-1] == pytest.approx(701.2)


def test_lookups_do_not_hide_how_long_answers_take() -> None:
    here = Measures()
    here.row("openai", "s1", "").ended("ok", None, 0.1, 0.1)
    assert not here.snapshot().histograms


def test_a_snapshot_does_not_change_any_more() -> None:
    here = Measures()
    row = here.row("openai", "s1", "m")
    row.ended("ok", None, 0.1, 0.1)
    before = here.snapshot()
    row.ended("ok", None, 0.1, 0.1)
    assert before.counters[REQUESTS.name, "openai", "s1", "m", "ok"] == 1
    assert sum(before.histograms[DURATION.name, "openai"][:-1]) == 1


def test_the_models_of_a_session_and_the_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MOST_MODELS", 2)
    monkeypatch.setattr(measures, "MOST_ROWS", 4)
    here = Measures()
    for number in range(5):
        here.row("openai", "s1", f"model-{number}").ended("ok", None, None, 1.0)
    for number in range(5):
        here.row("openai", f"t{number}", "m").ended("ok", None, None, 1.0)
    counted = {key[2:4]: value for key, value in here.snapshot().counters.items()}
    assert counted == {
        ("s1", "model-0"): 1, ("s1", "model-1"): 1, ("s1", OTHER): 3, ("t0", "m"): 1, (OTHER, OTHER): 4,
    }  # fmt: skip


def test_series_of_other_families_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MOST_SERIES", 1)
    here = Measures()
    for provider in ("a", "b", "c"):
        here.count(measures.RETRIES, provider, "never")
        here.observe(measures.WAIT, provider, "batch", seconds=0.2)
    found = here.snapshot()
    assert found.counters == {(measures.RETRIES.name, "a", "never"): 1, (measures.RETRIES.name, OTHER, OTHER): 2}
    assert {key: sum(row[:-1]) for key, row in found.histograms.items()} == {
        (measures.WAIT.name, "a", "batch"): 1, (measures.WAIT.name, OTHER, OTHER): 2,
    }  # fmt: skip


def test_samples_of_several_processes_add_up() -> None:
    total, key = Sample(), ("x", "y")
    for _ in range(2):
        total.add(Sample({key: 2}, {key: [1, 0, 0.5]}))
    assert total.counters == {key: 4} and total.histograms == {key: [2, 0, 1.0]}


@pytest.mark.usefixtures("on_loop")
async def test_a_circuit_says_in_the_log_why_it_opened_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "maestro.dispatcher")
    measures.here.clear()
    session = Session(id="s1", owner=1, provider="remote", auth_type="api_key", name="box", status="active")
    breaker = current().route(session, "qwen-20250101").breaker
    for _ in range(5):
        breaker.failed(breaker.now, 100.0, "no 503")
    breaker.ask(1e12)
    breaker.close()
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told[0][0] == "INFO" and told[0][1].startswith("circuit remote/s1/qwen: open, was closed, next probe in ")
    assert told[0][1].endswith("5 of 5 requests in 30 s failed, the last with: no 503")
    assert told[1:] == [
        ("DEBUG", "circuit remote/s1/qwen: half-open, was open"),
        ("INFO", "circuit remote/s1/qwen: closed, was half-open"),
    ]
    counted = measures.here.snapshot().counters
    assert {key[2] for key in counted if key[0] == measures.CIRCUITS.name} == {"open", "half_open", "closed"}
