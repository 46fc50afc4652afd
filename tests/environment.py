"""Loaded before Django reads its settings (``-p tests.environment``): a data folder and, where asked, Postgres.

``TEST_DATABASE=postgres`` runs the chosen tests against a Postgres server that is started for this run. Each worker of
pytest-xdist has a data folder and a database of its own; the server is the run's, and so is the folder ``TEST_SHARED``.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

from tests.servers import Postgres

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so, and the tests of Ctrl-C and their processes would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

for _name in [name for name in os.environ if name.startswith("MAESTRO_") and name != "MAESTRO_RECORDINGS"]:
    del os.environ[_name]
# Names that other programs use, and which are settings of ours: a developer's own must not change what tests see.
# Tests against real providers, where they are asked for, find them here.
FOREIGN = (
    "DATABASE_URL",
    "REDIS_URL",
    "OPENAI_",
    "ANTHROPIC_",
    "GEMINI_",
    "GOOGLE_",
    "OPENROUTER_",
    "AZURE_",
    "IDENTITY_",
    "GENAI_",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
)
KEPT = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(FOREIGN)}
os.environ["MAESTRO_ENV_FILE"] = os.devnull
os.environ["MAESTRO_PROVIDERS__MAX_RETRIES"] = "0"  # a test of one answer sees one request; tests of retries set it

DATA_DIR = Path(tempfile.mkdtemp(prefix=f"maestro-test-{WORKER}-"))
os.environ["MAESTRO_DATA_DIR"] = str(DATA_DIR)
os.environ["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
if "TEST_SHARED" not in os.environ:
    os.environ["TEST_SHARED"] = tempfile.mkdtemp(prefix="maestro-shared-")
    atexit.register(shutil.rmtree, os.environ["TEST_SHARED"], ignore_errors=True)

if os.environ.get("TEST_DATABASE") == "postgres":
    if WORKER == "main":
        _postgres = Postgres()
        atexit.register(_postgres.stop)
        os.environ["TEST_POSTGRES"] = _postgres.start()
    os.environ["DATABASE_URL"] = os.environ["TEST_POSTGRES"]
