#!/usr/bin/env python3
"""Maestro's command line. `manage.py up` starts everything; `manage.py help` lists the rest."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")
    try:
        from maestro_site.bootstrap import run_command
    except ImportError as error:
        missing = error.name or str(error)
        print(f"Maestro is not installed in this Python ({missing} is missing). Run `make run`.", file=sys.stderr)
        return 1
    return run_command(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
