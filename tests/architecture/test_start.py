"""What a starting process loads, by module name and in an interpreter of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TWISTED = {"autobahn", "daphne", "twisted"}

SERVER = """
import django
django.setup()
import maestro_site.asgi, maestro_site.celery, maestro_site.server
from django.core.management import get_commands
assert get_commands()["runserver"] == "maestro_site"
"""


def loaded(code: str, data_dir: Path) -> set[str]:
    """Return the names of all modules that are loaded once ``code`` has run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAESTRO_")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "maestro_site.settings",
        "MAESTRO_DATA_DIR": str(data_dir),
        "MAESTRO_ENV_FILE": os.devnull,
    }
    printing = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", printing], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


def top_level(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_only_runserver_loads_daphne_and_twisted(tmp_path: Path) -> None:
    assert top_level(loaded(SERVER, tmp_path)) & TWISTED == set()


def test_runserver_is_that_of_daphne(tmp_path: Path) -> None:
    code = "import django; django.setup(); import maestro_site.management.commands.runserver"
    assert top_level(loaded(code, tmp_path)) >= TWISTED


@pytest.mark.parametrize("then", ["", "provider.list_providers()"])
def test_the_interface_loads_neither_an_http_client_nor_the_models_of_settings(then: str, tmp_path: Path) -> None:
    found = loaded(f"from providers_app import provider\n{then}", tmp_path)
    unwanted = {"aiohttp", "click", "httpcore", "httpx", "importlib.metadata", "pydantic", "rich"} | TWISTED
    assert (found | top_level(found)) & unwanted == set()
    assert [name for name in found if name.startswith("providers_app.providers.") and name.endswith(".config")] == []


def test_a_part_of_the_core_finds_its_settings_without_the_interface(tmp_path: Path) -> None:
    found = loaded("from providers_app import streaming\nstreaming.parse_response('remote', b'{}')", tmp_path)
    assert "providers_app.registry.settings" in found and "providers_app.provider" not in found
