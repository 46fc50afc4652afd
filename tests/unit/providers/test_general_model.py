"""The model that a chat begins with, chosen from a list by the family that the provider's card names."""

from datetime import date

import pytest

from providers_app.listing.general import general_model
from providers_app.model_data.library import known_models
from providers_app.registry.discovery import list_providers, registry
from providers_app.types.catalogue import ModelInfo

TODAY = date(2026, 11, 30)


def model(model_id: str, **figures: object) -> ModelInfo:
    return ModelInfo(id=model_id, **figures)  # type: ignore[arg-type]


def chosen(*models: ModelInfo, family: str = "") -> str:
    return general_model(models, family, TODAY)


def test_the_highest_version_of_the_family_is_taken_by_its_numbers() -> None:
    listed = [model(f"gpt-{version}") for version in ("5", "5.9", "5.10", "4o", "6-mini", "5.2-pro", "4-0613")]
    assert chosen(*listed, family=r"gpt-\d+(\.\d+)?") == "gpt-5.10"


@pytest.mark.parametrize(
    "ended",
    [{"lifecycle": "deprecated"}, {"lifecycle": "retired"}, {"retires_at": "2026-11-30"}, {"capabilities": ("tools",)}],
)
def test_what_ended_or_does_not_chat_is_passed_over(ended: dict[str, object]) -> None:
    assert chosen(model("m-2", **ended), model("m-1"), family=r"m-\d") == "m-1"
    assert chosen(model("m-2", **ended)) == ""


def test_one_that_ends_tomorrow_is_still_usable() -> None:
    assert chosen(model("m-2", retires_at="2026-12-01"), model("m-1"), family=r"m-\d") == "m-2"


def test_without_a_family_or_one_of_it_the_first_that_chats_is_taken() -> None:
    listed = (
        model("nomic-embed-text"),
        model("bge-reranker"),
        model("whisper-large"),
        model("kokoro-tts"),
        model("llama-guard-4"),
        model("image-maker", output_modalities=("image",)),
        model("embeddings-only", capabilities=("embeddings",)),
        model("qwen3-coder"),
        model("llama-3.3"),
    )
    assert chosen(*listed) == chosen(*listed, family=r"claude-.*") == "qwen3-coder"
    assert chosen() == ""


@pytest.mark.parametrize("slug", ["anthropic", "openai", "gemini", "vertex_ai", "openrouter"])
def test_a_providers_family_finds_a_model_of_its_shipped_file(slug: str) -> None:
    family = registry.card(slug).general_model
    found = [info.id for info in known_models(slug)]
    taken = general_model([model(one) for one in found], family, TODAY)
    if slug == "openrouter":  # its file has few models, and none of the family that its list has
        assert general_model([model("anthropic/claude-sonnet-5.5")], family, TODAY) == "anthropic/claude-sonnet-5.5"
    else:
        assert taken in found and not any(word in taken for word in ("lite", "-mini", "pro", "preview", "2025"))


def test_every_provider_that_chats_with_a_known_set_of_models_names_a_default_or_a_family() -> None:
    unnamed = {card.slug for card in list_providers() if not (card.default_model or card.general_model)}
    assert unnamed == {"azure_openai", "remote"}, "there the names of models are the operator's"
