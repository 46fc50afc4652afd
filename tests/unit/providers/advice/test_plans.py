"""What holds for a session's requests is worked out once, and anew as soon as something that it depends on changes."""

import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from providers_app import conf
from providers_app.advice import fitting
from providers_app.chat.request import parse_params
from providers_app.model_data.library import library
from providers_app.ports import Session
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve, spoken
from providers_app.registry.settings import build_model, config_class
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule
from tests.unit.providers.advice.asking import ask, codes

KEY = Credential(auth_type="api_key")


def session(provider: str, name: str = "main") -> Session:
    return Session(id="1", provider=provider, name=name, auth_type="api_key", owner=1, status="ok")


def said(chat: ChatRequest, provider: str, credential: Credential = KEY, name: str = "main") -> list[Any]:
    dialect = spoken(provider, chat.model, credential)
    return codes(fitting.fitted(session(provider, name), credential, chat, dialect)[1])


@pytest.mark.parametrize("params", [{"temperature": 0.5}, {"max_output_tokens": 500}])
@pytest.mark.parametrize(
    ("slug", "model"), [("openai", "gpt-4.1"), ("anthropic", "claude-sonnet-4-6"), ("remote", "m")]
)
def test_a_plain_request_takes_few_functions(
    monkeypatch: pytest.MonkeyPatch, slug: str, model: str, params: dict[str, Any]
) -> None:
    monkeypatch.setattr(fitting, "RESCAN_S", 3600.0)  # however slow the machine is, nothing is due in between
    fitting._plans.clear()
    chat, dialect = ask(model, **params), spoken(slug, model, KEY)
    for _ in range(2):  # the first look at a model file ends what was worked out before it
        fitting.fitted(session(slug), KEY, chat, dialect)
    called: set[str] = set()

    def note(frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call" and "providers_app/advice/" in code.co_filename and not code.co_name.startswith("<"):
            called.add(f"{Path(code.co_filename).stem}.{code.co_name}")

    here = session(slug)
    sys.setprofile(note)
    try:
        parse_params(params)
        fitting.fitted(here, KEY, chat, dialect)
    finally:
        sys.setprofile(None)
    assert "fitting.fitted" in called and len(called) <= 12, sorted(called)


def test_other_settings_hold_at_once() -> None:
    chat = ask("claude-sonnet-4-6", temperature=0.5)
    assert said(chat, "anthropic") == []
    with conf.use(build_model()(anthropic=config_class("anthropic")(api_version="2026-10-21"))):
        assert said(chat, "anthropic") == [("warning", "temperature", "not_for_model")]
    assert said(chat, "anthropic") == []


class Picky:
    """Rules by an option of the session."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        rule = ModelRule(models=("",), params=("temperature",), why="As the session says.")
        return (rule,) if credential.settings.get("picky") else ()

    def underlying(self, model: str, credential: Credential) -> str:
        return model


def test_each_sessions_own_options_hold() -> None:
    before = resolve("openai", "rules")
    registry.remember("openai", "rules", Picky())
    try:
        chat, picky = ask("any", temperature=0.5), msgspec.structs.replace(KEY, settings={"picky": "yes"})
        assert said(chat, "openai") == []
        assert said(chat, "openai", picky) == [("warning", "temperature", "not_for_model")]
    finally:
        registry.remember("openai", "rules", before)


def test_figures_that_are_configured_for_one_session_hold_for_it_alone() -> None:
    figures = {"remote/small": {"m": {"context_window": 1000}}}
    chat = ask("m", max_output_tokens=2000)
    with conf.use(build_model()(configured_models=figures)):
        assert said(chat, "remote", name="large") == []
        assert said(chat, "remote", name="small") == [("warning", "max_output_tokens", "above_window")]


def test_another_dialect_of_the_same_session_is_judged_by_its_own_rules() -> None:
    chat = ask("m", seed=1)
    assert said(chat, "remote") == []
    other = spoken("openai", "gpt-4.1", KEY)
    assert codes(fitting.fitted(session("remote"), KEY, chat, other)[1]) == [("warning", "seed", "not_in_format")]


def test_a_changed_model_file_holds_as_soon_as_it_is_read(tmp_path: Path) -> None:
    entry: dict[str, Any] = {"source": "s", "parameters": ["max_output_tokens"]}
    file = {"format": 1, "provider": "remote", "sources": {"s": {"from": "a test", "as_of": "2026-11-20"}}}
    path, chat = tmp_path / "remote.json", ask("own", temperature=0.5)
    library.reset()
    with conf.use(build_model()(model_data_dir=str(tmp_path))):
        assert said(chat, "remote") == []
        path.write_text(json.dumps(file | {"models": {"own": entry}}))
        library.scan("remote")
        assert said(chat, "remote") == [("warning", "temperature", "not_for_model")]
    library.reset()


def test_plans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MOST_PLANS", 3)
    fitting._plans.clear()
    for number in range(10):
        said(msgspec.structs.replace(ask("m"), model=f"m{number}"), "remote")
    assert len(fitting._plans) <= 3
