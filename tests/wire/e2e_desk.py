"""``manage.py e2e`` in this process, and the person who signs in when its address appears."""

import io
import queue
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
from django.contrib.auth.models import User
from django.core.management import call_command

from tests.wire.cross import Row, Sides
from tests.wire.vendors.signing_in import settings

ADDRESS = re.compile(r"Open this address:\s+(\S+)")
CODE = re.compile(r"Type this code there:\s+(\S+)")


class Terminal(io.StringIO):
    """Standard error, watched by a person who does what it asks for."""

    def __init__(self, act: Callable[[str, str], None]) -> None:
        super().__init__()
        self._act = act

    def write(self, text: str) -> int:
        found, code = ADDRESS.search(text), CODE.search(text)
        if found:
            threading.Thread(target=self._act, args=(found[1], code[1] if code else ""), daemon=True).start()
        return super().write(text)


class Pasted:
    """Standard input: lines as they come; the end of it when the person left."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()

    def readline(self, *_: Any) -> str:
        return self.lines.get(timeout=60)

    def isatty(self) -> bool:
        return False


class Shell:
    """Runs the command; ``last`` is (exit code, stdout, stderr) of the latest run."""

    def __init__(self, person: User, monkeypatch: Any) -> None:
        self.person = person
        self._monkeypatch = monkeypatch
        self.asked: list[str] = []

    def e2e(self, row: Row, sides: Sides, *arguments: str, answers: bool = True) -> tuple[int, str, str]:
        """Run it for a row, signing in where that is asked for (unless nobody ``answers``)."""
        pasted = Pasted()
        act = self._person(sides, pasted) if answers else lambda url, code: self.asked.append(url)
        try:
            return self.run(row, sides, *arguments, stdin=pasted, stderr=Terminal(act))
        finally:
            pasted.lines.put("")  # who still reads is let go

    def run(self, row: Row, sides: Sides, *arguments: str, stdin: Any, stderr: io.StringIO) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "stdin", stdin)
        with settings(row.provider, **row.configure(sides)):
            return self.call(row, *self._arguments(row, sides), *arguments, stderr=stderr)

    def call(self, row: Row, *arguments: str, stderr: io.StringIO | None = None) -> tuple[int, str, str]:
        """The command with these arguments and no others."""
        out, err = io.StringIO(), stderr or io.StringIO()
        try:
            call_command("e2e", row.provider, row.auth_type, *arguments, stdout=out, stderr=err)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, out.getvalue(), err.getvalue()

    def _arguments(self, row: Row, sides: Sides) -> list[str]:
        found = ["--owner", self.person.username]
        if row.key:
            self._monkeypatch.setenv("E2E_KEY", row.key)
            found += ["--key-env", "E2E_KEY"]
        if sides.api is not None and not row.configured:
            found += ["--base-url", sides.api.base_url]
        found += [part for name, value in row.settings.items() for part in ("--set", f"{name}={value}")]
        if row.flow:
            found += ["--flow", row.flow, "--agree"]
        if row.method:
            found += ["--method", row.method]
        if row.client[0]:
            self._monkeypatch.setenv("E2E_SECRET", row.client[1])
            found += ["--client-id", row.client[0], "--client-secret-env", "E2E_SECRET"]
        for name, value in row.given(sides).items():
            self._monkeypatch.setenv(f"E2E_{name}", value)
            found += ["--field-env", f"{name}=E2E_{name}"]
        return found

    def _person(self, sides: Sides, pasted: Pasted) -> Callable[[str, str], None]:
        def act(url: str, code: str) -> None:
            self.asked.append(url)
            if code:
                assert sides.book.enter_device_code(code)
                return
            landed = sides.book.approve(url)
            if "127.0.0.1" in landed or "localhost" in landed:
                try:
                    httpx.get(landed, follow_redirects=False, trust_env=False, timeout=60)
                    return
                except httpx.ConnectError:  # nobody listens there: its address is pasted
                    pass
            pasted.lines.put(landed + "\n")

        return act
