"""The page for people who come from the earlier products: what it points to is there."""

import importlib
import re

import pytest

from maestro_site import conf
from maestro_site.environment import ROOT
from sessions_app.import_sources import legacy

PAGE = (ROOT / "docs" / "migration.md").read_text()
LINES = [line for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES]
IMPORTS = re.findall(r"`from ([\w.]+) import (\w+)`", PAGE)


def test_the_page_has_what_is_known_of_the_earlier_products() -> None:
    earlier = " ".join(row[0] for row in ROWS)
    for name in ("saved_authentications", "RetryableStatusCodes", "GENAI_PLATFORM_ENABLED"):
        assert f"`{name}`" in earlier
    assert len(IMPORTS) >= 3 and all(len(row) == 3 and row[1] for row in ROWS)


@pytest.mark.parametrize(("module", "name"), IMPORTS)
def test_what_is_named_can_be_imported(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_variables_that_are_named_are_settings() -> None:
    named = set(re.findall(r"`(MAESTRO_[A-Z_]+[A-Z])`", PAGE))
    assert named and named <= conf.known_names()


def test_earlier_names_of_variables_are_read() -> None:
    settings = {each.name: each for each in conf.settings_list()}
    rows = {row[0].strip("`"): row[1].strip("`") for row in ROWS if row[1].startswith("`MAESTRO_")}
    assert rows == {"GENAI_PLATFORM_ENABLED": "MAESTRO_GENAI_PLATFORM__ENABLED"}
    for earlier, name in rows.items():
        assert earlier in settings[name].aliases


def test_the_columns_are_those_that_are_read() -> None:
    for names in (legacy.PROVIDER, legacy.AUTH_TYPE, legacy.PERSON, legacy.PACKED):
        assert ", ".join(f"`{name}`" for name in names) in PAGE
