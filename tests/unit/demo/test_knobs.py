"""The grammar of demo model names."""

import pytest

from providers_app.providers.demo.model_names import LISTED, Knobs, parse


def test_the_bare_name_has_no_fault() -> None:
    assert parse("demo") == Knobs()


def test_tokens_compose_in_any_order() -> None:
    knobs = parse("demo-one-byte-tools-d5-reset")
    assert knobs is not None
    assert (knobs.script, knobs.delay_ms, knobs.fault, knobs.quirks) == ("tools", 5.0, "reset", {"one-byte"})
    assert parse("demo-reset-d5-tools-one-byte") == knobs


@pytest.mark.parametrize("name", LISTED)
def test_every_listed_model_exists(name: str) -> None:
    assert parse(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "demon",
        "demo-",
        "demo-mystery",
        "demo-instantly",
        "demo-error-200",
        "demo-error-600",
        "demo-n0",
        "demo-n999999",
        "demo-d999999",
        "demo--slow",
        "Demo",
        "other-demo",
        "demo-slow\n",
    ],
)
def test_other_names_are_no_models(name: str) -> None:
    assert parse(name) is None
