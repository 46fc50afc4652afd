"""The example of ``docs/adding-a-provider.md``, dropped in as one folder and used from end to end as people would."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, environment
from tests.vendors.chat import ChatVendor
from tests.vendors.server import VendorServer
from tests.web.test_drop_in_provider import product

__all__ = ["product"]
KEY = "acme-" + "k" * 32
LOOK = """
import io, json
from django.core.management import call_command
from django.test import Client
from providers_app import loop, provider
from maestro_site.accounts import welcome

def command(*arguments):
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        return {"code": ended.code, "out": out.getvalue()}
    return {"code": 0, "out": out.getvalue()}

owner = welcome.ensure_owner()
client = Client(headers={"host": "localhost"})
client.force_login(owner)
seen = {"check": command("check", "--tag", "providers", "--fail-level", "WARNING")}
seen["page"] = client.get("/sessions/new/").content.decode()
seen["form"] = client.get("/sessions/new/", {"provider": "acme"}).content.decode()
seen["setting"] = command("settings_explain", "MAESTRO_PROVIDERS__ACME__DEFAULT_MODEL")

async def use():
    await provider.create_session("acme", "api_key", name="my_acme", api_key=KEY, base_url=BASE, owner=owner.pk)
    models = await provider.list_models("acme", "api_key", "my_acme", owner=owner.pk)
    stream = provider.stream_chat("acme", "my_acme", "Hello", model="local-large", owner=owner.pk, max_output_tokens=50)
    return [model.id for model in models], [type(event).__name__ async for event in stream]

seen["models"], seen["events"] = loop.run(use(), 60)
options = ("--key-env", "ACME_KEY", "--base-url", BASE, "--json", "--broken-model", "local-large-truncate")
seen["e2e"] = command("e2e", "acme", "api_key", *options, "--set", "project=blue-7")
seen["refused"] = command("e2e", "acme", "api_key", *options, "--set", "project=Not a project")
print(json.dumps(seen))
"""


@pytest.fixture
def acme() -> Iterator[VendorServer]:
    """A server of Acme's kind, with its key."""
    with VendorServer(ChatVendor(key=KEY), path="/v1") as server:
        yield server


def run(product: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "MAESTRO_PROVIDERS__ACME__DEFAULT_MODEL": "local-small",
        "ACME_KEY": KEY,
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=product,
        env=environment(product.parent / "data", PYTHONPATH=str(product), **settings),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def write_example(folder: Path) -> None:
    """The files as the page gives them."""
    page = (ROOT / "docs" / "adding-a-provider.md").read_text()
    files = re.findall(r"^`acme/(\w+\.py)`\n\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(files) == 7
    folder.mkdir()
    for name, text in files:
        (folder / name).write_text(text)


@pytest.mark.timeout(300)
def test_one_folder_from_the_page_is_a_provider_in_every_place(product: Path, acme: VendorServer) -> None:
    write_example(product / "providers_app" / "providers" / "acme")
    looked = run(product, "shell", "-v", "0", "-c", f"KEY, BASE = {KEY!r}, {acme.base_url!r}\n{LOOK}")
    assert looked.returncode == 0, looked.stderr
    seen = json.loads(looked.stdout.strip().splitlines()[-1])
    assert seen["check"]["code"] == 0, seen["check"]
    assert "Acme" in seen["page"] and "acme-..." in seen["form"]
    assert "Sent as Acme-Project: which project is billed." in seen["form"], "the option of a session is asked for"
    assert seen["setting"]["code"] == 0 and "local-small" in seen["setting"]["out"], "its settings are read"
    assert seen["models"] == ["local-large", "local-small"]
    assert seen["events"][0] == "StreamStart" and seen["events"][-1] == "StreamEnd"

    report = json.loads(seen["e2e"]["out"])
    assert seen["e2e"]["code"] == 0 and report["passed"], report
    assert report["model"] == "local-small"
    assert sum(step["outcome"] == "pass" for step in report["steps"]) == 10
    assert seen["refused"]["code"] == 1 and "small letters, digits and hyphens" in seen["refused"]["out"]
    assert KEY not in seen["e2e"]["out"] + seen["refused"]["out"]

    chats = acme.ledger.of("/chat/completions")
    assert chats[0].body["max_tokens"] == 50 and "acme-project" not in chats[0].headers
    assert {entry.headers.get("acme-project") for entry in chats[1:]} == {"blue-7"}
