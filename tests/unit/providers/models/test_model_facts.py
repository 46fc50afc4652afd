"""What is known of a model without asking: shipped, the operator's own files, and what is configured."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers_app import conf, providers
from providers_app.model_data.library import facts, known_models, library
from providers_app.model_data.merge import today
from providers_app.registry.discovery import registry
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.catalogue import Figure
from tests.unit.providers.packages import write_package

DAY = "2026-11-20"


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Path]:
    """The folder of a drop-in provider ``acme``; put a ``models.json`` into it."""
    write_package(tmp_path, "acme")
    providers.__path__.append(str(tmp_path))
    registry.reset()
    library.reset()
    yield tmp_path / "acme"
    providers.__path__.remove(str(tmp_path))
    registry.reset()
    library.reset()


def write(path: Path, models: dict[str, Any], provider: str = "acme", day: str = DAY, **more: Any) -> None:
    entries = {model_id: {"source": "s"} | entry for model_id, entry in models.items()}
    whole = {"format": 1, "provider": provider, "sources": {"s": {"from": "a test", "as_of": day}}, "models": entries}
    path.write_text(json.dumps(whole | more))


def test_a_drop_in_provider_brings_its_own_file(acme: Path) -> None:
    write(acme / "models.json", {"big": {"name": "Big", "context_window": 1000, "input_price": 2.0}})
    info = facts("acme", "big")
    assert info is not None
    assert (info.id, info.name, info.context_window, info.input_price) == ("big", "Big", 1000, 2.0)
    assert info.source == "shipped"
    assert info.figures == {
        "context_window": Figure(source="shipped", as_of=DAY),
        "input_price": Figure(source="shipped", as_of=DAY),
    }
    assert (info.output_price, info.capabilities, info.lifecycle) == (None, (), None)
    assert [model.id for model in known_models("acme")] == ["big"]
    assert facts("acme", "small") is None
    assert facts("nobody", "big") is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("star-5", "star-5"),
        ("star-5-2026-10-01", "star-5"),
        ("star-5-20261001", "star-5"),
        ("star-5@20261001", "star-5"),
        ("star-5-latest", "star-5"),
        ("star-5-001", "star-5"),
        ("star-5-preview-09-2026", "star-5-preview-*"),
        ("star-5-mini-2026-10-01", "star-5-mini"),
        ("five", "star-5"),
        ("five-2026-10-01", "star-5"),
        ("star-5-mini-large", "star-5-mini-*"),
        ("star-5-6", None),
        ("star-5.5", None),
        ("star-5-turbo", None),
        ("star", None),
        ("", None),
    ],
)
def test_dated_ids_aliases_and_the_longest_beginning(acme: Path, asked: str, found: str | None) -> None:
    windows = {"star-5": 5, "star-5-mini": 50, "star-5-preview-*": 51, "star-5-mini-*": 52, "st": 1}
    write(
        acme / "models.json",
        {
            "star-5": {"context_window": 5, "aliases": ["five"]},
            "star-5-mini": {"context_window": 50},
            "star-5-p": {"context_window": 51, "aliases": ["star-5-preview-*"]},
            "star-5-m": {"context_window": 52, "aliases": ["star-5-mini-*"]},
        },
    )
    info = facts("acme", asked)
    assert (info.context_window if info else None) == (windows[found] if found else None)
    assert info is None or info.id == asked


def test_models_that_are_another_providers_too(acme: Path) -> None:
    write(
        acme / "models.json",
        {"acme/claude-opus-5": {"input_price": 9.0}},
        same_as=[
            {"provider": "anthropic", "prefix": "acme/", "dots": True, "without": ["input_price", "output_price"]}
        ],
    )
    there = facts("anthropic", "claude-opus-4-5")
    here = facts("acme", "acme/claude-opus-4.5")
    assert there is not None
    assert here is not None
    assert here.context_window == there.context_window is not None
    assert (here.input_price, here.output_price) == (None, None)
    assert "input_price" not in here.figures
    own = facts("acme", "acme/claude-opus-5")
    assert own is not None
    assert (own.input_price, own.output_price, own.context_window) == (9.0, None, 1_000_000)
    assert "acme/claude-opus-4.5" in {model.id for model in known_models("acme")}


def test_a_deployment_has_the_facts_of_the_model_behind_it() -> None:
    assert facts("openai", "my-deployment") is None
    info = facts("openai", "my-deployment", underlying="gpt-5.6-2026-07-09")
    assert info is not None
    assert (info.id, info.context_window) == ("my-deployment", 1_050_000)


def test_models_of_one_address_only() -> None:
    assert facts("remote", "deepseek-v4-pro") is None
    info = facts("remote", "deepseek-v4-pro", host="api.deepseek.com")
    assert info is not None
    assert info.context_window


def test_the_operators_file_adds_and_corrects_and_is_read_again(
    acme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    write(acme / "models.json", {"big": {"name": "Big", "context_window": 10, "input_price": 1.0}}, day="2026-10-01")
    with conf.use(ProvidersConfig(model_data_dir=str(own))):
        assert facts("acme", "big").input_price == 1.0  # type: ignore[union-attr]
        monkeypatch.setattr("providers_app.model_data.library.RESCAN_S", 0.0)
        write(own / "acme.json", {"big": {"input_price": 2.0}, "new": {"context_window": 7}}, day="2026-11-01")
        info = facts("acme", "big")
        assert info is not None
        assert (info.name, info.context_window, info.input_price) == ("Big", 10, 2.0)
        assert info.figures["input_price"].as_of == "2026-11-01"
        assert info.figures["context_window"].as_of == "2026-10-01"
        assert facts("acme", "new") is not None

        write(own / "acme.json", {"big": {"input_price": 3.0}}, day="2026-09-01")
        assert facts("acme", "big").input_price == 1.0, "a later day wins"  # type: ignore[union-attr]
        (own / "acme.json").unlink()
        assert facts("acme", "new") is None


def test_a_broken_file_leaves_the_last_good_one_and_harms_nobody_else(
    acme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("providers_app.model_data.library.RESCAN_S", 0.0)
    own = tmp_path / "own"
    own.mkdir()
    (acme / "models.json").write_text("{")
    with conf.use(ProvidersConfig(model_data_dir=str(own))), caplog.at_level(logging.ERROR):
        assert facts("acme", "big") is None
        assert facts("anthropic", "claude-opus-5") is not None
        write(own / "acme.json", {"big": {"context_window": 3}})
        assert facts("acme", "big").context_window == 3  # type: ignore[union-attr]
        (own / "acme.json").write_text('{"format": 1, "provider": "acme", "models": {"big": {"context_window": -4}}}')
        for _ in range(3):
            assert facts("acme", "big").context_window == 3  # type: ignore[union-attr]
        problems = library.problems("acme")
        assert [path.rpartition("/")[2] for path, _ in problems] == ["models.json", "acme.json"]
        assert "source" in problems[1][1]
        assert len([record for record in caplog.records if "acme.json" in record.getMessage()]) == 1
        (own / "acme.json").unlink()
        (own / "acme.json").mkdir()
        assert "cannot be read" in library.problems("acme")[1][1]


def test_what_is_configured_beats_everything_and_may_be_of_one_session() -> None:
    setting = json.dumps(
        {
            "anthropic": {"claude-opus-5": {"input_price": 4.0, "output_price": 20.0}},
            "anthropic/work": {"claude-opus-5": {"input_price": 3.0}, "claude-next": {"context_window": 5}},
        }
    )
    with conf.use(ProvidersConfig(configured_models=setting)):  # type: ignore[arg-type]
        plain = facts("anthropic", "claude-opus-5")
        work = facts("anthropic", "claude-opus-5", session="work")
        assert plain is not None
        assert work is not None
        assert (plain.input_price, work.input_price, work.output_price) == (4.0, 3.0, 20.0)
        assert work.figures["input_price"] == Figure(source="configured")
        assert work.figures["context_window"].source == "shipped"
        assert facts("anthropic", "claude-next") is None
        new = facts("anthropic", "claude-next", session="work")
        assert new is not None
        assert (new.source, new.context_window) == ("configured", 5)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "it is not JSON"),
        ("[]", "Expected `object`"),
        ('{"remote": {"m": {"window": 5}}}', "unknown field `window`"),
        ('{"remote": {"m": {"context_window": -5}}}', "remote.m.context_window: -5"),
        ('{"remote": {" ": {}}}', "cannot be the id"),
    ],
)
def test_a_wrong_setting_is_named(value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProvidersConfig(configured_models=value)  # type: ignore[arg-type]


def test_the_lifecycle_follows_from_dates_where_nobody_says_it(acme: Path) -> None:
    now = today()
    write(
        acme / "models.json",
        {
            "gone": {"retires_at": "2020-01-01", "lifecycle": "active"},
            "going": {"retires_at": "2999-01-01"},
            "old": {"deprecated_at": now},
            "soon": {"deprecated_at": "2999-01-01"},
        },
    )
    stages = {model.id: model.lifecycle for model in known_models("acme")}
    assert stages == {"gone": "retired", "going": "deprecated", "old": "deprecated", "soon": None}
