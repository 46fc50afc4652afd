"""Every recorded list of models is read by the parser of its provider, and says what its expectation says."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from providers_app.behaviours.listing import next_page_token
from providers_app.behaviours.lookups import items_of
from providers_app.model_data.library import completed
from providers_app.providers.anthropic import models as anthropic
from providers_app.providers.gemini import models as gemini
from providers_app.providers.openai import models as openai
from providers_app.providers.openrouter import models as openrouter
from providers_app.providers.remote import models as remote
from providers_app.types.catalogue import ModelInfo
from providers_app.wire import payload
from tests.wire import recordings

READERS: dict[str, Any] = {
    "anthropic": anthropic.read,
    "gemini": gemini.read,
    "openai": openai.read,
    "openrouter": openrouter.read,
}
"""By the folder of the recording; every other one is of a compatible server."""
CURSORS: dict[str, Any] = {"anthropic": anthropic.cursor, "gemini": next_page_token}


@dataclass(frozen=True)
class Listed:
    """One recorded list."""

    name: str
    body: dict[str, Any]
    expected: dict[str, Any]

    @property
    def folder(self) -> str:
        return self.name.partition("/")[0]

    def models(self) -> dict[str, ModelInfo]:
        read = READERS.get(self.folder, remote.read)
        items = items_of(self.body, "data", "models")
        return {model.id: model for item in items if (model := read(item)) is not None}

    def cursor(self) -> str | None:
        found: str | None = CURSORS.get(self.folder, lambda body: None)(self.body)
        return found


def _all() -> list[Listed]:
    found = []
    for path in sorted(recordings.ROOT.glob("*/*/expected.json")):
        expected = json.loads(path.read_text())
        if "models" in expected and "has_more" in expected:
            body = payload.decode((path.parent / "response.body").read_bytes())
            found.append(Listed(f"{path.parent.parent.name}/{path.parent.name}", body, expected))
    return found


ALL = _all()


def one(name: str) -> Listed:
    found = next((each for each in ALL if each.name.startswith(name)), None)
    if found is None:
        pytest.skip("there is no such recording here")
    return found


def test_there_are_lists_of_every_provider_that_was_recorded() -> None:
    if not recordings.available():
        pytest.skip("there are no recordings here")
    assert {each.folder for each in ALL} >= {*READERS, "deepseek"}
    print(f"{len(ALL)} recorded lists of models")


@pytest.mark.parametrize("listed", ALL, ids=[each.name for each in ALL])
def test_a_recorded_list_is_read_whole(listed: Listed) -> None:
    expected = [model_id.removeprefix("models/") for model_id in listed.expected["models"]]
    assert len(expected) == listed.expected["count"]
    if listed.folder == "gemini":  # its list has what embeds, speaks and paints among it
        talks = {
            item["name"] for item in listed.body["models"] if "generateContent" in item["supportedGenerationMethods"]
        }
        expected = [model_id for model_id in expected if f"models/{model_id}" in talks]
    assert list(listed.models()) == expected
    assert listed.cursor() == listed.expected["next_page"]
    assert bool(listed.cursor()) == bool(listed.expected["has_more"] or listed.expected["next_page"])


def test_what_anthropic_says_of_a_model() -> None:
    model = one("anthropic/").models()["claude-opus-5"]
    assert (model.name, model.context_window, model.max_output_tokens) == ("Claude Opus 5", 1_000_000, 128_000)
    assert (model.released_at, model.input_modalities) == ("2026-07-24", ("text", "image", "pdf"))
    assert set(model.capabilities) >= {"tools", "images_in", "structured_output", "reasoning"}
    assert "capabilities" in model.figures
    whole = completed(model, "anthropic")
    assert (whole.input_price, whole.output_price, whole.cache_write_price) == (5.0, 25.0, 6.25)
    assert whole.figures["input_price"].source == "shipped"
    assert whole.figures["context_window"].source == "provider"


def test_what_openrouter_says_of_a_model() -> None:
    model = one("openrouter/").models()["anthropic/claude-sonnet-4"]
    prices = (model.input_price, model.output_price, model.cached_input_price, model.cache_write_price)
    assert prices == (3.0, 15.0, 0.3, 3.75)
    assert (model.context_window, model.max_output_tokens) == (1_000_000, 64_000)
    assert (model.input_modalities, model.output_modalities) == (("image", "text", "file"), ("text",))
    assert model.parameters == ("extra", "max_output_tokens", "reasoning_effort", "stop", "temperature", "top_p")
    assert model.retires_at is None


def test_what_openai_does_not_say_comes_from_the_file() -> None:
    model = one("openai/").models()["gpt-5.5-2026-04-23"]
    assert (model.context_window, model.released_at) == (None, "2026-04-22")
    whole = completed(model, "openai")
    assert (whole.context_window, whole.input_price) == (1_050_000, 5.0)


def test_what_gemini_says_of_a_model() -> None:
    model = one("gemini/").models()["gemini-3.6-flash"]
    assert (model.context_window, model.max_output_tokens) == (1_048_576, 65_536)
    whole = completed(model, "gemini")
    assert "video" in whole.input_modalities
    assert {"tools", "reasoning"} <= set(whole.capabilities)
