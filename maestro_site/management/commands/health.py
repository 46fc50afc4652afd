"""``manage.py health``: what the processes of this data folder know of providers, circuits and queues.

The exit code is 0 when all is well, 1 when a circuit is open or half-open, 3 when no server or worker has told anything
lately. It asks neither the database nor a provider.
"""

from typing import Any

from django.core.management.base import CommandParser

from maestro_site.monitoring import rows
from maestro_site.monitoring.endpoints import document
from maestro_site.monitoring.overview import overview
from sessions_app.management import terminal

COLUMNS = ("PROVIDER", "CIRCUIT", "REQUESTS", "ERRORS", "P95", "RUNNING", "WAITING")
OPEN, UNKNOWN = 1, 3


class Command(terminal.TerminalCommand):
    help = "Show the health of providers. Exit code: 0 all is well, 1 a circuit is open, 3 no server runs."

    def add_arguments(self, parser: CommandParser) -> None:
        terminal.add_json(parser)

    def run(self, options: dict[str, Any]) -> None:
        """Print a row for each provider, and a line for each circuit that is not closed."""
        found = overview()
        if self.as_json:
            self.dump(document(found, "ok" if found.processes else "unknown"))
        elif not found.processes:
            self.note("No server or worker of this data folder has told anything lately.")
        else:
            self._print(found)
        if not found.processes:
            raise SystemExit(UNKNOWN)
        if any(circuit.is_open for circuit in found.circuits):
            raise SystemExit(OPEN)

    def _print(self, found: Any) -> None:
        table = [list(COLUMNS)]
        for slug, provider in found.providers().items():
            rate, p95 = provider.error_rate, provider.p95_s
            running = sum(lane.used for lane in provider.lanes)
            waiting = sum(sum(lane.waiting.values()) for lane in provider.lanes)
            table.append([
                slug,
                provider.state.words,
                str(provider.requests),
                "-" if rate is None else rows.percent(rate),
                "-" if p95 is None else rows.seconds(p95),
                str(running),
                str(waiting),
            ])  # fmt: skip
        if len(table) == 1:
            self.say("No provider was asked in the last hour.")
        else:
            self.print_table(table, right=range(2, len(COLUMNS)))
        for circuit in found.circuits:
            if circuit.is_open:
                row = rows.circuit_row(circuit, {}, None)
                why = row["why"].rstrip(".")
                self.say(f"{circuit.state.provider} / {row['name']}: {why}. {row['probe']}.")
