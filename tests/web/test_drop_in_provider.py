"""A provider dropped in as a folder and one installed as a package show up everywhere, with no other line changed.

It runs in a copy of the product, so that the folder is really dropped into ``providers_app/providers``.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, environment, prepared
from tests.unit.providers.packages import write_distribution, write_package

APPS = ("maestro_site", "gateway_app", "pipelines_app", "context_app", "sessions_app", "providers_app")
LOOK = """
import json
from django.contrib.auth.models import User
from django.test import Client
from providers_app import provider
from maestro_site.accounts import welcome

client = Client(headers={"host": "localhost"})
client.force_login(welcome.ensure_owner())
page = client.get("/sessions/new/").content.decode()
form = client.get("/sessions/new/", {"provider": "dropped"}).content.decode()
print(json.dumps({"listed": [card.slug for card in provider.list_providers()], "page": page, "form": form}))
"""


@pytest.fixture
def product(tmp_path: Path) -> Path:
    copy = tmp_path / "product"
    copy.mkdir()
    for name in (*APPS, "templates", "static"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "manage.py", copy)
    prepared(tmp_path / "data")
    return copy


def run(product: Path, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=product,
        env=environment(product.parent / "data", PYTHONPATH=f"{product}:{site}"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_both_appear_on_the_connect_page_in_the_list_and_in_check(product: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_package(product / "providers_app" / "providers", "dropped")
    write_package(site, "installed")
    write_distribution(site, "maestro-installed", {"installed": "installed"})
    done = run(product, site, "shell", "-v", "0", "-c", LOOK)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    for slug in ("dropped", "installed"):
        assert slug in seen["listed"]
        assert f"Example {slug}" in seen["page"]
    assert "Example dropped" in seen["form"]
    checked = run(product, site, "check", "--tag", "providers")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    created = run(product, site, "sessions", "create", "installed", "none", "mine")
    assert created.returncode != 0 and "error[" in created.stderr, "its declared auth types hold"


def test_a_broken_one_is_named_and_takes_nobody_down(product: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_package(product / "providers_app" / "providers", "dropped")
    write_package(product / "providers_app" / "providers", "broken", {"streaming.py": "raise RuntimeError('boom')"})
    done = run(product, site, "shell", "-v", "0", "-c", LOOK)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    assert {"anthropic", "demo", "dropped"} <= set(seen["listed"])
    checked = run(product, site, "check", "--tag", "providers")
    assert checked.returncode != 0
    assert "maestro.providers.E" in checked.stderr and "broken" in checked.stderr
    assert "dropped" not in checked.stderr
    chat = run(product, site, "sessions", "create", "demo", "none", "still_works")
    assert chat.returncode == 0, chat.stderr
