"""``manage.py e2e PROVIDER AUTH_TYPE``: one login checked from end to end, step by step.

Exit code 0: every step that could be taken held. 1: one failed, or the run could not begin. 130: Ctrl-C; what the run
had made is destroyed first.
"""

import threading
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from maestro_site.e2e import arguments
from maestro_site.e2e.course import STEPS, Course
from maestro_site.e2e.pasting import Lines, quiet_terminal
from maestro_site.e2e.plan import Plan, Report, Step
from providers_app import loop
from providers_app.behaviours.oauth import PendingLogin
from providers_app.errors import ProviderError
from sessions_app.management import sign_in, terminal

INTERRUPTED = 130
CLEANING_S = 180.0
WIDTH = max(len(name) for name in ("authentication", *(name for name, _, _ in STEPS)))


class Command(BaseCommand):
    help = "Check a login from end to end: sign in, list models, stream, validate, interrupt, fail, clean up."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self._json: bool = options["json"]
        with terminal.errors(self, self._json):
            plan = arguments.plan_of(options)
            with quiet_terminal():
                report = self._run(plan)
            self._finish(report)
        if report.interrupted:
            raise SystemExit(INTERRUPTED)
        if not report.passed:
            raise SystemExit(1)

    def _run(self, plan: Plan) -> Report:
        """The report; Ctrl-C cuts the running step off, and the run then cleans up."""
        # A key on standard input leaves nothing there to paste.
        lines = Lines() if plan.auth_type == "oauth" and not plan.session else None
        paste = lines.next if lines else None
        course = Course(plan, tell=self._tell, show=self._show, refuse=self._refuse, paste=paste)
        done = threading.Event()
        found: list[Report] = []
        crash: list[BaseException] = []

        async def work() -> None:
            try:
                found.append(await course.run())
            except BaseException as error:
                crash.append(error)
                raise
            finally:
                done.set()

        task = loop.spawn(work(), name="e2e-command")
        try:
            done.wait()
        except KeyboardInterrupt:
            self._note("Stopping; what was made for this run is being destroyed.\n")
            loop.cancel(task)
            while not done.is_set():
                with suppress(KeyboardInterrupt):
                    if not done.wait(CLEANING_S):
                        break
        terminal.settle()
        if not found:
            raise crash[0] if crash else SystemExit(INTERRUPTED)
        return found[0]

    def _tell(self, step: Step) -> None:
        if self._json:
            return
        code = f" [{step.code}]" if step.code and step.outcome == "fail" else ""
        line = f"{step.outcome.upper()}  {step.name.ljust(WIDTH)}  {step.seconds:7.2f} s  {step.words}{code}"
        terminal.write(self, terminal.printable(line) + "\n")

    def _show(self, pending: PendingLogin) -> None:
        """Print where to sign in on stderr: with --json, standard output is the report alone."""
        also = "You can also paste the address here.\n" if pending.method == "loopback" else ""
        self._note(sign_in.instructions(pending) + also)

    def _refuse(self, error: ProviderError) -> None:
        terminal.report(self, error, self._json)

    def _note(self, text: str) -> None:
        self.stderr.write(terminal.printable(text), style_func=lambda words: words, ending="")
        self.stderr.flush()

    def _finish(self, report: Report) -> None:
        if self._json:
            terminal.dump(self, report.to_dict())
            return
        counts = {kind: sum(step.outcome == kind for step in report.steps) for kind in ("pass", "fail", "skip")}
        total = sum(step.seconds for step in report.steps)
        words = f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped in {total:.1f} s"
        verdict = "PASS" if report.passed else "FAIL"
        what = f"{report.plan.provider} {report.plan.auth_type}"
        terminal.write(self, f"{verdict}  {what}: {words}{' (interrupted)' if report.interrupted else ''}\n")
