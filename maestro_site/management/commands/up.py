"""``manage.py up``: everything that Maestro needs, in one process, without any server to install."""

import os
import sys
import threading
from contextlib import ExitStack
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from context_app import lifespan as context_lifespan
from maestro_site import server
from maestro_site.accounts import welcome
from maestro_site.monitoring import files


class Command(BaseCommand):
    help = "Start Maestro: web, worker and schedule in one process, data in the data folder."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
        parser.add_argument("--processes", action="store_true", help="run web, worker and schedule as three processes")
        parser.add_argument("--web-only", action="store_true", help="run the web server alone")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if not 0 < port < 65536:
            raise CommandError("--port must be between 1 and 65535.")
        if not host:
            raise CommandError("--host must be an address or a name; 0.0.0.0 listens on every address.")
        stopping = server.catch_signals()
        settings.ALLOWED_HOSTS = list(dict.fromkeys([*settings.ALLOWED_HOSTS, server.host_name(host)]))
        base, alone = server.address(host, port), options["web_only"]
        announce = partial(self._announce, base, wildcard=host in server.WILDCARDS)
        with ExitStack() as held:
            try:
                held.enter_context(welcome.serving(base, alone=alone))
            except welcome.AlreadyServed as first:
                why = f"Maestro already runs on the data folder {settings.DATA_DIR}: {first.address}."
                raise CommandError(f"{why} Stop it, or choose another folder with MAESTRO_DATA_DIR.") from None
            sock = server.listen(host, port)
            if not alone:
                files.clean()
            if options["processes"]:
                sock.close()
                sys.exit(server.run_processes(host, port, stopping, announce))
            self._serve(sock, stopping, (lambda stop: None) if alone else announce, alone=alone)
            connections.close_all()
            sys.stdout.flush()
            # Threads that are still inside a task must not hold the process: their work is safe to run again.
            os._exit(0)

    def _serve(self, sock: Any, stopping: threading.Event, announce: server.Announce, *, alone: bool) -> None:
        if alone:
            server.serve(sock, stopping, on_stop=context_lifespan.stop_now, on_start=announce)
            return
        # Celery is imported only where a worker runs in this process.
        from maestro_site.background import Background

        background = Background()
        background.start()

        def stop_everything() -> None:
            context_lifespan.stop_now()
            background.stop()

        try:
            server.serve(sock, stopping, on_stop=stop_everything, on_start=announce)
        finally:
            background.stop()
            background.join(timeout=2)

    def _announce(self, base: str, stop: threading.Event, *, wildcard: bool) -> None:
        """Print one line for people and scripts, once everything answers."""
        try:
            told = False
            while not server.wait_ready(base, stop):
                if stop.is_set():
                    return
                if not told:
                    self.stderr.write(f"error: not ready after a minute; {base}/readyz names the part that is missing.")
                told = True
            try:
                token = welcome.create(welcome.ensure_owner())
            except (welcome.WelcomeError, OSError) as error:
                self.stderr.write(f"error: Maestro runs at {base}, but there is no sign-in link: {error}")
                return
            self.stdout.write(f"Open {base}/welcome/{token}")
            self.stdout.flush()
            if wildcard:
                names = ", ".join(settings.ALLOWED_HOSTS)
                self.stderr.write(f"It answers to {names}; for other names set MAESTRO_ALLOWED_HOSTS.")
        finally:
            connections.close_all()
