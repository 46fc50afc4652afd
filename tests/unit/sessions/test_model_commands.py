"""``manage.py models`` with its filters, and ``manage.py model_data``."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from providers_app import conf
from providers_app.model_data.file import read
from providers_app.model_data.library import facts, library
from providers_app.types.catalogue import ModelInfo
from sessions_app.management.commands.models import _line
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows
from tests.unit.sessions.commands import Run
from tests.unit.sessions.support import make, make_remote
from tests.vendors.server import VendorServer

LIST = {
    "data": [
        {
            "id": "acme/new-1",
            "name": "Acme New",
            "context_length": 4096,
            "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        },
        {"id": "openai/gpt-4o", "context_length": 130_000, "pricing": {"prompt": "0.0000025"}},
        {"no": "id"},
    ]
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder for the operator's own files, looked at every time."""
    folder = tmp_path / "models"
    before = conf.current()
    monkeypatch.setattr("providers_app.model_data.library.RESCAN_S", 0.0)
    conf.configure(before.model_copy(update={"model_data_dir": str(folder)}))
    yield folder
    conf.configure(before)
    library.reset()


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    path = tmp_path / "openrouter.json"
    path.write_text(json.dumps(LIST))
    return path


def test_models_are_filtered_sorted_and_say_their_source(demo: AuthSession, run: Run) -> None:
    code, out, _ = run("models", "try_demo", "--search", "demo slow", "--supports", "tools")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["MODEL", "WINDOW", "OUTPUT"]
    assert "demo-slow" in lines[1] and "128,000" in lines[1] and lines[1].rstrip().endswith("provider")
    code, out, _ = run("models", "try_demo", "--min-window", "5000", "--max-price", "0", "--sort", "window", "--json")
    found = json.loads(out)
    assert code == 0 and found
    assert all(model["context_window"] >= 5000 and model["input_price"] == 0 for model in found)
    assert found[0]["figures"]["context_window"]["source"] == "provider"
    assert "raw" not in found[0]
    code, out, _ = run("models", "try_demo", "--search", "nothing like it")
    assert (code, out) == (0, "")
    code, out, err = run("models", "try_demo", "--supports", "tool")
    assert (code, out) == (1, "") and "Did you mean 'tools'" in err


def test_what_is_known_without_asking(alice: User, run: Run) -> None:
    make(alice, "work", provider="anthropic")
    code, out, _ = run("models", "work", "--known", "--search", "opus 5")
    assert code == 0 and "claude-opus-5 " in out
    assert "file · " in out


def test_an_update_reports_writes_and_is_then_in_force(own: Path, downloaded: Path, run: Run) -> None:
    asked = ("model_data", "--from-file", str(downloaded), "--provider", "openrouter", "--as-of", "2026-12-01")
    code, out, _ = run(*asked, "--dry-run")
    assert code == 0 and not own.exists()
    assert "added    acme/new-1" in out
    assert "changed  openai/gpt-4o.context_window: 128000 -> 130000" in out
    assert "gone     anthropic/claude-sonnet-4" in out
    assert "openrouter: 1 added, 1 figures changed, 3 gone" in out
    assert run(*asked, "--check")[0] == 1
    assert not own.exists()
    code, _, err = run(*asked)
    assert code == 0 and "Written: " in err
    written = (own / "openrouter.json").read_bytes()
    assert [path.name for path in own.iterdir()] == ["openrouter.json"]
    file = read(written, "openrouter")
    assert list(file.models) == sorted(file.models)
    info = facts("openrouter", "acme/new-1")
    assert info is not None and (info.name, info.input_price, info.output_price) == ("Acme New", 1.0, 2.0)
    assert info.figures["input_price"].as_of == "2026-12-01"
    assert facts("openrouter", "openai/gpt-4o").context_window == 130_000  # type: ignore[union-attr]
    code, out, err = run(*asked)
    assert code == 0 and "0 added, 0 figures changed" in out and "Written" not in err
    assert (own / "openrouter.json").read_bytes() == written, "the same list gives the same bytes"
    assert run(*asked, "--check")[0] == 0
    found = json.loads(run(*asked, "--json")[1])
    assert found["provider"] == "openrouter" and found["gone"]


def test_what_is_newer_or_written_by_hand_stays(own: Path, downloaded: Path, run: Run) -> None:
    own.mkdir()
    entries = {
        "openai/gpt-4o": {"source": "new", "context_window": 111_111},
        "acme/new-1": {"source": "old", "by_hand": True, "input_price": 7.0},
    }
    sources = {"new": {"from": "a bill", "as_of": "2027-01-01"}, "old": {"from": "me", "as_of": "2020-01-01"}}
    file = {"format": 1, "provider": "openrouter", "sources": sources, "models": entries}
    (own / "openrouter.json").write_text(json.dumps(file))
    code, out, _ = run(
        "model_data", "--from-file", str(downloaded), "--provider", "openrouter", "--as-of", "2026-12-01"
    )
    assert code == 0
    assert "kept     openai/gpt-4o.context_window: its source is of 2027-01-01" in out
    assert "kept     acme/new-1.input_price: the entry is written by hand" in out
    after = read((own / "openrouter.json").read_bytes(), "openrouter").models
    assert (after["openai/gpt-4o"].context_window, after["openai/gpt-4o"].input_price) == (111_111, 2.5)
    assert after["acme/new-1"].known() == {"input_price": 7.0}


@pytest.mark.django_db(transaction=True)
def test_an_update_from_a_session_takes_what_the_provider_says(
    alice: User, vendor: VendorServer, own: Path, run: Run
) -> None:
    make_remote(alice, vendor)
    code, out, _ = run("model_data", "--from-session", "local_llama")
    assert code == 0 and "added    local-large" in out
    info = facts("remote", "local-large")
    assert info is not None and info.context_window == 131_072


def test_broken_files_are_named_and_not_written_over(own: Path, downloaded: Path, run: Run) -> None:
    assert run("model_data", "--check")[0] == 0
    own.mkdir()
    (own / "openrouter.json").write_text('{"format": 1}')
    code, out, _ = run("model_data", "--check")
    assert code == 1 and "openrouter.json: Object missing required field" in out
    assert json.loads(run("model_data", "--check", "--json")[1])[0]["file"].endswith("openrouter.json")
    assert run("model_data", "--check", "--provider", "anthropic")[0] == 0
    with pytest.raises(CommandError, match="Mend it or remove it"):
        run("model_data", "--from-file", str(downloaded), "--provider", "openrouter")
    assert (own / "openrouter.json").read_text() == '{"format": 1}'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Pass --check"),
        (("--from-file", "x.json"), "Pass --provider"),
        (("--from-file", "missing.json", "--provider", "openrouter"), "cannot be read"),
        (("--from-file", "{list}", "--provider", "openrouter", "--as-of", "soon"), "--as-of is a day"),
        (("--from-file", "{text}", "--provider", "openrouter"), "is not JSON"),
        (("--from-file", "{empty}", "--provider", "openrouter"), "There is no model of openrouter"),
    ],
)
def test_an_update_that_cannot_be_made(
    own: Path, downloaded: Path, run: Run, arguments: tuple[str, ...], words: str
) -> None:
    (downloaded.parent / "text").write_text("<html>")
    (downloaded.parent / "empty").write_text('{"data": []}')
    places = {"list": downloaded, "text": downloaded.parent / "text", "empty": downloaded.parent / "empty"}
    with pytest.raises(CommandError, match=words):
        run("model_data", *(argument.format(**places) for argument in arguments))


def test_a_folder_that_cannot_be_written(own: Path, downloaded: Path, run: Run) -> None:
    own.write_text("a file where the folder should be")
    with pytest.raises(CommandError, match="cannot be"):
        run("model_data", "--from-file", str(downloaded), "--provider", "openrouter")


@pytest.mark.parametrize(
    ("source", "words"), [("provider", "provider"), ("shipped", "from the model file"), ("configured", "configured")]
)
def test_a_model_without_figures_says_where_it_comes_from(source: Any, words: str) -> None:
    row = model_rows.row(ModelInfo(id="m", source=source), date(2026, 12, 1))
    assert _line(row) == ("m", "-", "-", "-", "text", "", words)
