"""The universal interface from a plain script: ``django.setup()`` and nothing else."""

import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT, environment, manage
from tests.vendors.anthropic import VALID_KEY
from tests.vendors.server import VendorServer

SCRIPT = """
import asyncio, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
import django
django.setup()
from providers_app import provider

async def main():
    text = ""
    async for event in provider.stream_chat("anthropic", "work_claude", "Hello", model="claude-sonnet-5"):
        text += getattr(event, "text", "")
    result = await provider.complete_chat("anthropic", "work_claude", "Hello", model="claude-sonnet-5")
    assert result.complete and text.strip(), (text, result)
    print("said", len(text))

asyncio.run(main())
"""


def run(data: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment(data, **extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_script_opens_a_stored_key_and_streams(data: Path, anthropic_server: VendorServer) -> None:
    allowed = {"MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
    made = manage(
        data,
        *("sessions", "create", "anthropic", "api_key", "work_claude", "--key-stdin"),
        *("--base-url", anthropic_server.base_url),
        stdin=VALID_KEY,
        **allowed,
    )
    assert made.returncode == 0, made.stderr
    done = run(data, **allowed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("said ")


def test_a_script_without_the_key_file_is_told_what_is_missing(data: Path) -> None:
    made = manage(data, "sessions", "create", "anthropic", "api_key", "work_claude", "--key-stdin", stdin=VALID_KEY)
    assert made.returncode == 0, made.stderr
    (data / "encryption.key").unlink()
    done = run(data)
    assert done.returncode != 0
    assert "NotConfigured" in done.stderr and "encryption.key" in done.stderr
    assert not (data / "encryption.key").exists()
