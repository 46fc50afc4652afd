"""``models.json``: read strictly, so that a wrong figure is found before anybody sees it."""

import json
from typing import Any

import pytest

from providers_app.model_data.file import ModelFileError, read
from providers_app.model_data.library import library
from providers_app.registry.discovery import registry

SOURCES = {"docs": {"from": "https://example.com/models", "as_of": "2026-11-20"}}


def file_of(**entry: Any) -> bytes:
    """A file with one model ``m``."""
    whole = {"format": 1, "provider": "acme", "sources": SOURCES, "models": {"m": {"source": "docs"} | entry}}
    return json.dumps(whole).encode()


def test_every_shipped_file_is_valid_and_names_a_source_for_every_figure() -> None:
    found = {slug: library.file(slug) for slug in registry.packages()}
    assert {"anthropic", "openai", "gemini", "openrouter", "remote"} <= {slug for slug in found if found[slug]}
    for slug in found:
        assert library.problems(slug) == []


def test_a_model_with_figures_of_two_sources() -> None:
    data = json.loads(file_of(context_window=10, input_price=1.5, figures={"input_price": "bill"}))
    data["sources"]["bill"] = {"from": "the bill", "as_of": "2026-11-21"}
    entry = read(json.dumps(data).encode(), "acme").models["m"]
    assert entry.known() == {"context_window": 10, "input_price": 1.5}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"context_window": 0}, "models.m.context_window: 0 is not a number of tokens"),
        ({"context_window": "1000"}, "Expected `int | null`"),
        ({"context_window": True}, "Expected `int | null`"),
        ({"input_price": -1.0}, "not a price"),
        ({"input_price": 1e9}, "not a price"),
        ({"capabilities": ["flying"]}, "models.m.capabilities: 'flying' is not one of"),
        ({"parameters": ["max_tokens"]}, "'max_tokens' is not one of"),
        ({"input_modalities": ["smell"]}, "'smell' is not one of"),
        ({"lifecycle": "old"}, "'old' is not one of active, deprecated, preview, retired"),
        ({"retires_at": "2026-13-01"}, "not a day"),
        ({"retires_at": "20261101"}, "not a day"),
        ({"released_at": "2026-11-20T00:00:00Z"}, "not a day"),
        ({"source": "rumour", "context_window": 5}, "its source 'rumour' is not in the table of sources"),
        ({"figures": {"context_window": "docs"}}, "'context_window' is not one of nothing"),
        ({"figures": {"context_window": "gossip"}, "context_window": 5}, "'gossip' is not in the table"),
        ({"aliases": ["*"]}, "'*' is no id"),
        ({"aliases": ["a*b"]}, "'a*b' is no id"),
        ({"prise": 3}, "unknown field `prise`"),
    ],
)
def test_a_wrong_figure_is_named(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelFileError, match=words.replace("*", r"\*").replace("|", r"\|")):
        read(file_of(**entry), "acme")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"format": 1}', "missing required field `provider`"),
        (b'{"format": 2, "provider": "acme"}', "its format is 2"),
        (b'{"format": 1, "provider": "other"}', "for the provider 'other', not for 'acme'"),
        (b'{"format": 1, "provider": "acme", "models": {" m": {}}}', "cannot be the id"),
        (b'{"format": 1, "provider": "acme", "models": {"": {}}}', "cannot be the id"),
        (b'{"format": 1, "provider": "acme", "sources": {"d": {"from": " ", "as_of": "2026-01-01"}}}', "is blank"),
        (b'{"format": 1, "provider": "acme", "sources": {"d": {"from": "x", "as_of": "today"}}}', "not a day"),
        (b'{"format": 1, "provider": "acme", "same_as": [{"provider": "x", "without": ["price"]}]}', "'price'"),
        (b'{"format": 1, "provider": "acme", "models": ' + b'{"a":' * 100_000, "unknown field `a`"),
        (b"\xff\xfe", "JSON|invalid"),
        (b" " * (8 * 1024 * 1024 + 1), "larger than 8 MB"),
    ],
)
def test_a_file_of_another_shape_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        read(data, "acme")
