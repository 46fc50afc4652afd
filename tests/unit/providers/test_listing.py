"""Entries of models as servers describe them."""

from typing import Any

import pytest

from providers_app.behaviours.openai_models import read_model
from providers_app.providers.anthropic import models as anthropic
from providers_app.providers.gemini import models as gemini
from providers_app.types.catalogue import ModelInfo


@pytest.mark.parametrize(
    ("entry", "window", "output"),
    [
        ({"id": "vllm", "max_model_len": 8192}, 8192, None),
        ({"id": "llama", "meta": {"n_ctx_train": 4096}}, 4096, None),
        ({"id": "groq", "context_window": 131072, "max_completion_tokens": 32768}, 131072, 32768),
        ({"id": "router", "context_length": 9, "top_provider": {"max_completion_tokens": 3}}, 9, 3),
        ({"id": "plain"}, None, None),
        ({"id": "odd", "context_window": "big", "meta": None, "max_model_len": True}, None, None),
    ],
)
def test_windows_are_found_where_servers_put_them(
    entry: dict[str, Any], window: int | None, output: int | None
) -> None:
    model = read_model(entry)
    assert model is not None
    assert (model.context_window, model.max_output_tokens) == (window, output)


def test_prices_capabilities_and_the_end_of_a_model() -> None:
    model = read_model(
        {
            "id": "a/b",
            "name": "B",
            "pricing": {"prompt": "0.000003", "completion": "nonsense"},
            "supported_parameters": ["tools", "reasoning", "seed"],
            "architecture": {"input_modalities": ["text", "image"]},
            "shutdown_date": "2027-01-06",
        }
    )
    assert model is not None
    assert (model.name, model.input_price, model.output_price) == ("B", 3.0, None)
    assert model.capabilities == ("chat", "images_in", "reasoning", "streaming", "tools")
    assert model.input_modalities == ("text", "image")
    assert model.retires_at == "2027-01-06"


@pytest.mark.parametrize("entry", [{}, {"id": ""}, {"id": 5}, {"name": "x"}])
def test_an_entry_without_an_id_is_no_model(entry: dict[str, Any]) -> None:
    assert read_model(entry) is None
    assert anthropic.read(entry) is None


def test_an_old_deployment_of_anthropic_says_only_the_id() -> None:
    model = anthropic.read({"id": "claude", "type": "model"})
    assert model is not None
    assert model.context_window is None
    assert "reasoning" not in model.capabilities
    flags = {"thinking": {"supported": True}, "image_input": {"supported": False}, "structured_outputs": None}
    described = anthropic.read({"id": "claude", "capabilities": flags, "max_input_tokens": 200000})
    assert described is not None
    assert "reasoning" in described.capabilities
    assert "images_in" not in described.capabilities


def test_gemini_lists_what_generates_content_only() -> None:
    assert gemini.read({"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]}) is None
    assert gemini.read({"name": "models/odd"}) is None
    model = gemini.read(
        {
            "name": "models/gem",
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "inputTokenLimit": 1000,
            "thinking": True,
        }
    )
    assert model is not None
    assert model.id == "gem"
    assert {"reasoning", "count_tokens"} <= set(model.capabilities)


def test_a_model_of_which_no_more_is_said_reads_and_writes_text() -> None:
    model = ModelInfo(id="m")
    assert (model.input_modalities, model.output_modalities) == (("text",), ("text",))
