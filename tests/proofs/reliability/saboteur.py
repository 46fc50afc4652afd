"""``python -m tests.proofs.reliability.saboteur ...``: ``manage.py ...`` with a thread that ends others on request.

Each line on stdin names a thread of the process, in which ``SystemExit`` is then raised.
"""

import ctypes
import os
import sys
import threading


def _end_threads() -> None:
    for line in sys.stdin:
        for thread in threading.enumerate():
            if thread.name == line.strip() and thread.ident is not None:
                ident, error = ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, error)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")
    from maestro_site import bootstrap

    threading.Thread(target=_end_threads, name="saboteur", daemon=True).start()
    sys.exit(bootstrap.run_command(["manage.py", *sys.argv[1:]]))
