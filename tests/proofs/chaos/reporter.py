"""``python -m tests.proofs.chaos.reporter ...``: ``manage.py ...`` that writes down what it holds, every few seconds.

A line of JSON goes to the file that ``SOAK_REPORT`` names: tasks of all event loops that are not done, and threads.
"""

import asyncio
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path

EVERY_S = 5.0


def _report(path: Path) -> None:
    while True:
        time.sleep(EVERY_S)
        # By its type: some objects must not be asked what they are an instance of.
        tasks = sum(type(one) is asyncio.Task and not one.done() for one in gc.get_objects())
        line = {"at": time.monotonic(), "tasks": tasks, "threads": threading.active_count()}
        with path.open("a") as out:
            out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")
    from maestro_site import bootstrap

    report = Path(os.environ["SOAK_REPORT"])
    threading.Thread(target=_report, args=(report,), name="reporter", daemon=True).start()
    sys.exit(bootstrap.run_command(["manage.py", *sys.argv[1:]]))
