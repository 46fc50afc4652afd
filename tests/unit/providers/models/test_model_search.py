"""Finding models in a list."""

import math
from typing import Any

import pytest

from providers_app.errors import InvalidRequest
from providers_app.listing.search import ModelQuery, search
from providers_app.types.catalogue import Capabilities, ModelInfo

DECLARED = Capabilities(names=frozenset({"chat", "tools", "count_tokens"}))
MODELS = [
    ModelInfo(id="claude-opus-5", name="Claude Opus 5", context_window=1_000_000, input_price=5.0),
    ModelInfo(id="claude-haiku-4-5", name="Claude Haiku 4.5", context_window=200_000, input_price=1.0),
    ModelInfo(
        id="gpt-5.6",
        name="GPT-5.6 Sol",
        context_window=1_050_000,
        max_output_tokens=128_000,
        input_price=4.0,
        input_modalities=("text", "image"),
        capabilities=("chat", "tools", "images_in"),
        source="shipped",
        released_at="2026-07-09",
    ),
    ModelInfo(id="plain", capabilities=("chat",), lifecycle="deprecated", released_at="2024-01-01"),
    ModelInfo(id="openai/gpt-5.6", input_price=0.0, output_modalities=("text", "image"), lifecycle="preview"),
]


def ids(**query: Any) -> list[str]:
    return [model.id for model in search(MODELS, ModelQuery(**query), DECLARED)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [model.id for model in MODELS]),
        ("claude", ["claude-opus-5", "claude-haiku-4-5"]),
        ("5 claude", ["claude-opus-5", "claude-haiku-4-5"]),
        ("OPUS", ["claude-opus-5"]),
        ("gpt-5.6", ["gpt-5.6", "openai/gpt-5.6"]),
        ("haiku 4.5", ["claude-haiku-4-5"]),
        ("cluade", ["claude-opus-5", "claude-haiku-4-5"]),
        ("claud opsu", ["claude-opus-5"]),
        ("haikku", ["claude-haiku-4-5"]),
        ("hayku", ["claude-haiku-4-5"]),
        ("gtp", []),
        ("nothing like it", []),
        ("x" * 5000, []),
    ],
)
def test_words_and_their_slips(text: str, found: list[str]) -> None:
    assert ids(text=text) == found


def test_abilities_sizes_prices_and_stages() -> None:
    assert ids(supports=("tools",)) == ["claude-opus-5", "claude-haiku-4-5", "gpt-5.6", "openai/gpt-5.6"]
    assert ids(supports=("tools", "images_in")) == ["gpt-5.6"]
    assert "gpt-5.6" in ids(supports=("count_tokens",)), "that is the provider's and no model file tells of it"
    assert "plain" not in ids(supports=("count_tokens",)), "its provider listed it without"
    assert ids(reads=("image",)) == ["gpt-5.6"]
    assert ids(writes=("image",)) == ["openai/gpt-5.6"]
    assert ids(min_window=1_000_000) == ["claude-opus-5", "gpt-5.6"]
    assert ids(max_price=1.0) == ["claude-haiku-4-5", "openai/gpt-5.6"]
    assert ids(max_price=0.0) == ["openai/gpt-5.6"]
    assert ids(lifecycle=("deprecated", "retired")) == ["plain"]
    assert ids(lifecycle=("active",)) == ["claude-opus-5", "claude-haiku-4-5", "gpt-5.6"]


def test_orders_put_what_is_not_known_last() -> None:
    assert ids(sort="window")[:3] == ["gpt-5.6", "claude-opus-5", "claude-haiku-4-5"]
    assert ids(sort="price") == ["openai/gpt-5.6", "claude-haiku-4-5", "gpt-5.6", "claude-opus-5", "plain"]
    assert ids(sort="newest")[:2] == ["gpt-5.6", "plain"]
    assert ids(sort="output")[0] == "gpt-5.6"
    assert ids(sort="name")[0] == "claude-haiku-4-5"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"supports": ("tool",)}, "capability 'tool'"),
        ({"reads": ("smell",)}, "modality 'smell'"),
        ({"lifecycle": ("old",)}, "lifecycle 'old'"),
        ({"sort": "random"}, "order 'random'"),
        ({"min_window": -1}, "must not be negative"),
        ({"max_price": -0.5}, "must not be negative"),
        ({"max_price": math.nan}, "must not be negative"),
    ],
)
def test_a_question_that_cannot_be_answered(query: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        ids(**query)
