"""The universal interface from a plain script: ``django.setup()`` and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

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


SETUP = """
import asyncio
import maestro_site
maestro_site.setup()
from providers_app import provider

async def main():
    maestro_site.setup()  # a notebook has a running loop
    await provider.create_session("demo", "none", name="try_demo")
    return await provider.complete_chat("demo", "try_demo", "Hi", model="demo-instant-n3", store=True)

print(asyncio.run(main()).complete)
"""


def script(text: str, data: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env=environment(data, **extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_setup_makes_folder_database_keys_and_owner(tmp_path: Path) -> None:
    done = script(SETUP, tmp_path / "fresh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert (tmp_path / "fresh" / "encryption.key").stat().st_mode & 0o077 == 0
    assert "True" in script(SETUP.replace('name="try_demo"', 'name="second"'), tmp_path / "fresh").stdout


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"MAESTRO_DATA_DIR": "/proc/nowhere"}, "cannot be written"),
        ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "The database of DATABASE_URL cannot be used"),
        ({"MAESTRO_ENCRYPTION_KEYS": "nonsense"}, "The encryption keys of MAESTRO_ENCRYPTION_KEYS cannot be used"),
        ({"DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}, "settings other than maestro_site.settings"),
    ],
)
def test_setup_says_what_is_wrong(tmp_path: Path, extra: dict[str, str], said: str) -> None:
    guarded = """from providers_app import errors
try:
    maestro_site.setup()
except errors.NotConfigured as error:
    raise SystemExit(str(error))
"""
    text = SETUP.replace("maestro_site.setup()\n", guarded, 1)
    done = script(text, tmp_path / "fresh", **extra)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
