"""Settings keep to the bounds and defaults that their documentation names: a bound is taken, what is beyond is not."""

import re

import pytest
from django.core.management import call_command

from context_app import conf as context_conf
from maestro_site import conf
from maestro_site.environment import ROOT, ConfigError
from providers_app.registry import settings as provider_settings
from sessions_app import conf as session_conf

GROUPS = (context_conf.ContextConfig, session_conf.SessionsConfig, provider_settings.ProvidersConfig)
BOUND = re.compile(r"(at least|at most|over|under) (-?[\d.e+]+)( characters)?")
ROWS = re.findall(r"^\| `(MAESTRO_\w+)` \| ([^|]+) \|", (ROOT / "docs" / "configuration.md").read_text(), re.M)
CASES = [
    (name, "characters" if text else "whole" if kind.startswith("whole") else "number", words, float(bound))
    for name, kind in ROWS
    for words, bound, text in BOUND.findall(kind)
]
TOGETHER = {
    "MAESTRO_PROVIDERS__REFRESH_TIMEOUT_S": {"MAESTRO_PROVIDERS__REFRESH_LEASE_S": "600"},
    "MAESTRO_PROVIDERS__REFRESH_LEASE_S": {"MAESTRO_PROVIDERS__REFRESH_TIMEOUT_S": "0.001"},
}
"""A refresh must end within its lease, so these two are set together."""


def taken(name: str, kind: str, value: float) -> bool:
    """Return whether a process starts with this value of a setting, or with a text of so many characters."""
    text = "https://a.example/".ljust(int(value), "x") if name.endswith("_URL") else "x" * int(value)
    shown = text if kind == "characters" else f"{value:.0f}" if kind == "whole" else repr(value)
    try:
        conf.load({name: shown, **TOGETHER.get(name, {})})
    except ConfigError as error:
        assert name in str(error)
        return False
    return True


def test_the_groups_of_every_app_are_documented() -> None:
    named = {name for name, _ in ROWS}
    for prefix in ("CONTEXT", "SESSIONS", "PROVIDERS"):
        assert any(name.startswith(f"MAESTRO_{prefix}__") for name in named)
    assert len(CASES) > len(GROUPS)


@pytest.mark.parametrize(("name", "kind", "words", "bound"), CASES)
def test_a_setting_is_taken_to_its_bound_and_no_further(name: str, kind: str, words: str, bound: float) -> None:
    step = 0.25 if kind == "number" else 1.0
    within = step if words in ("at least", "over") else -step
    if words in ("over", "under"):
        assert taken(name, kind, bound + within) and not taken(name, kind, bound)
    else:
        assert taken(name, kind, bound) and not taken(name, kind, bound - within)


def test_every_default_is_the_documented_one() -> None:
    call_command("settings_docs", check=True)
