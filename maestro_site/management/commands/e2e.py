"""``manage.py e2e PROVIDER AUTH_TYPE``: checks one login from end to end, step by step.

Exit code 0: no step failed. 1: one failed, or the run could not begin. 130: Ctrl-C, after cleaning up.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TextIO

from django.core.management.base import CommandParser

from maestro_site.e2e.plan import Plan, Report, Step
from maestro_site.e2e.run import STEPS, Run
from providers_app import environment_keys, loop
from providers_app.behaviours.keys import MAX_KEY_CHARS
from providers_app.behaviours.oauth import PendingLogin
from providers_app.errors import InvalidRequest, ProviderError
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient
from sessions_app.management import sign_in, terminal
from sessions_app.management.terminal import TerminalCommand
from sessions_app.models import AuthSession

INTERRUPTED = 130
CLEANING_S = 180.0
MAX_ANSWER_CHARS = 16_384
WIDTH = max(len(name) for name in ("authentication", *(name for name, _, _ in STEPS)))


class Command(TerminalCommand):
    help = "Check a login from end to end: sign in, list models, stream, validate, interrupt, fail, clean up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", help="provider slug")
        parser.add_argument("auth_type", choices=AuthSession.AuthType.values)
        parser.add_argument("--session", default="", help="an existing login, by id or name; nothing of it is deleted")
        parser.add_argument("--model", default="", help="model id; without it, the configured one or the newest listed")
        parser.add_argument("--broken-model", default="", help="a model of a test server whose answers break off")
        parser.add_argument("--limited-model", default="", help="a model of a test server that answers 429 once")
        parser.add_argument("--keep", action="store_true", help="keep the session that was made")
        terminal.add_owner(parser)
        terminal.add_json(parser)

        login = parser.add_argument_group("a key")
        key = login.add_mutually_exclusive_group()
        key.add_argument("--key-stdin", action="store_true", help="read the key from standard input")
        key.add_argument("--key-env", metavar="VAR", default="", help="read the key from this environment variable")
        login.add_argument("--base-url", default="", help="another address than the provider's own")
        login.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the session")

        page = parser.add_argument_group("a sign-in")
        sign_in.add_flow(page.add_argument)
        page.add_argument("--timeout", type=float, default=None, metavar="SECONDS", help="give up waiting for a person")
        page.add_argument("--client-secret-env", default="", metavar="VAR", help="the variable that holds its secret")
        page.add_argument("--field-file", action="append", default=[], metavar="NAME=PATH", help="a field from a file")
        page.add_argument("--field-env", action="append", default=[], metavar="NAME=VAR", help="or from a variable")

    def run(self, options: dict[str, Any]) -> None:
        """Run the steps and print each as it ends."""
        plan = plan_of(options)
        with quiet_terminal():
            report = self._run(plan)
        self._finish(report)
        if not report.passed:
            raise SystemExit(INTERRUPTED if report.interrupted else 1)

    def _run(self, plan: Plan) -> Report:
        """Run the plan and return the report; on Ctrl-C the running step ends and the run cleans up."""
        # With a key on standard input there is nothing left to paste.
        paste = partial(next_line, sys.stdin) if plan.auth_type == "oauth" and not plan.session else None
        run = Run(plan, tell=self._tell, show=self._show, refuse=self.report, paste=paste)
        ended = Future[Report]()

        async def work() -> None:
            try:
                ended.set_result(await run.run())
            except BaseException as error:
                ended.set_exception(error)
                raise

        task = loop.spawn(work(), name="e2e-command")
        try:
            wait([ended])
        except KeyboardInterrupt:
            self.note("Stopping; what was made for this run is being destroyed.")
            loop.cancel(task)
            while not ended.done():
                with suppress(KeyboardInterrupt):
                    if not wait([ended], CLEANING_S).done:
                        raise SystemExit(INTERRUPTED) from None
        finally:
            terminal.settle()
        return ended.result()

    def _tell(self, step: Step) -> None:
        if self.as_json:
            return
        code = f" [{step.code}]" if step.code and step.outcome == "fail" else ""
        self.say(f"{step.outcome.upper()}  {step.name.ljust(WIDTH)}  {step.seconds:7.2f} s  {step.words}{code}")

    def _show(self, pending: PendingLogin) -> None:
        """Print where to sign in on stderr: with --json, standard output is the report alone."""
        also = "\nYou can also paste the address here." if pending.method == "loopback" else ""
        self.stderr.write(terminal.printable(sign_in.instructions(pending) + also), style_func=str)
        self.stderr.flush()

    def _finish(self, report: Report) -> None:
        counts = {kind: sum(step.outcome == kind for step in report.steps) for kind in ("pass", "fail", "skip")}
        total = sum(step.seconds for step in report.steps)
        words = f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped in {total:.1f} s"
        what = f"{'PASS' if report.passed else 'FAIL'}  {report.plan.provider} {report.plan.auth_type}"
        self.answer(report.to_dict(), f"{what}: {words}{' (interrupted)' if report.interrupted else ''}")


def plan_of(options: dict[str, Any]) -> Plan:
    """Return the plan of the options. Raises ``InvalidRequest``, ``InvalidCredential``, ``OwnerRequired``."""
    timeout, secret = options["timeout"], options["client_secret_env"]
    if timeout is not None and not 0 < timeout < float("inf"):
        raise InvalidRequest("--timeout is a number of seconds above 0.", hint="Leave it out to wait without a limit.")
    if options["session"] and (options["key_env"] or options["key_stdin"] or options["flow"]):
        raise InvalidRequest("A session has its login already.", hint="Leave out --key-... and --flow, or --session.")
    models = "model", "broken_model", "limited_model"
    same = ("provider", "auth_type", "session", *models, "base_url", "keep", "flow", "method", "agree")
    return Plan(
        owner=terminal.owner_id(options["owner"]),
        key=_key(options),
        settings=dict(terminal.pair(text, "--set is written NAME=VALUE.") for text in options["set"]),
        client=OAuthClient(id=options["client_id"], secret=terminal.variable(secret) if secret else Secret("")),
        given=_fields(options),
        local_browser=not options["remote_browser"],
        timeout_s=timeout,
        **{name: options[name] for name in same},
    )


def _key(options: dict[str, Any]) -> Secret:
    """Return the given key, else the one in the environment for this provider."""
    if options["auth_type"] != "api_key" or options["session"]:
        return Secret("")
    if options["key_env"]:
        return terminal.variable(options["key_env"])
    if options["key_stdin"]:
        return terminal.read_key(MAX_KEY_CHARS)
    with suppress(ProviderError):  # the first step reports it
        return environment_keys.key_of(options["provider"])
    return Secret("")


def _fields(options: dict[str, Any]) -> dict[str, Secret]:
    files = (terminal.pair(text, "--field-file is written NAME=PATH.") for text in options["field_file"])
    variables = (terminal.pair(text, "--field-env is written NAME=VAR.") for text in options["field_env"])
    given = dict(map(sign_in.field, (*options["field"], *(f"{name}=@{path}" for name, path in files))))
    return given | {name: terminal.variable(value) for name, value in variables}


async def next_line(source: TextIO) -> str:
    """Return the next line of ``source`` that is not blank, stripped; empty once the input has ended."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def give(line: str) -> None:
        if not found.done():
            found.set_result(line)

    def read() -> None:
        line = ""
        with suppress(OSError, ValueError, AttributeError):  # closed, not text, or there is no standard input
            lines = iter(partial(source.readline, MAX_ANSWER_CHARS + 2), "")
            line = next((line for line in map(str.strip, lines) if line), "")
        # The loop may be closed already.
        if not loop.is_closed():
            loop.call_soon_threadsafe(give, line)

    # In a thread of its own: reading cannot be cancelled.
    threading.Thread(target=read, name="pasted-answer", daemon=True).start()
    return await found


@contextmanager
def quiet_terminal() -> Iterator[None]:
    """Turn off the echo of typed characters inside the block, and restore the terminal however the block ends."""
    refusals: tuple[type[Exception], ...] = (ImportError, OSError, ValueError, AttributeError)
    try:
        import termios  # not on every system

        refusals = (*refusals, termios.error)
        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
    except refusals:  # no terminal
        yield
        return
    changed = [*before]
    changed[3] &= ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
