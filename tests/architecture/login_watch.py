"""What the canary test of sign-ins shares: what is secret, what was seen, and the search for one in the other."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.urls import get_resolver

from providers_app import loop
from providers_app.ports import login_store
from providers_app.sign_in.exchange import pending_of
from providers_app.types.tokens import secrets_of
from sessions_app.models import AuthSession, ImportRun, Notice, OAuthAttempt, RefreshLane
from tests.architecture.test_no_secret_leaves import forms_of, walk
from tests.vendors.auth import Book
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import Browser

NAMES = (
    "code",
    "code_verifier",
    "refresh_token",
    "assertion",
    "subject_token",
    "client_secret",
    "token",
    "state",
    "client_assertion",
)
SHORTEST = 16
"""Characters; what is shorter (the code that a person types, the number of a project) is found by chance."""


@dataclass
class Watch:
    """``secrets``: what each one is. ``on_its_page``: parts of the address that an open sign-in's page leads to."""

    owner: User
    books: tuple[Book, ...] = ()
    servers: tuple[VendorServer, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)
    on_its_page: set[str] = field(default_factory=set)
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def hide(self, what: str, *values: str) -> None:
        """These values must be nowhere. Of a text with lines (a key file) each long line counts."""
        for value in values:
            for line in value.splitlines():
                if len(line) >= SHORTEST and not line.startswith("-----"):
                    self.secrets.setdefault(line, what)

    def saw(self, place: str, value: object) -> None:
        self.seen.append((place, value if isinstance(value, bytes) else str(value).encode()))

    def collect(self) -> None:
        """Everything that the servers issued or were sent, and what waits sealed."""
        for book in self.books:
            with book.lock:
                self.hide("code", *book.codes)
                self.hide("refresh token", *book.refreshes)
                self.hide("access token or key", *book.accesses)
                self.hide("id token", *book.id_tokens)
                for device in book.devices.values():
                    self.hide("device code", device.device_auth_id, device.verifier)
        for server in self.servers:
            for entry in server.ledger:
                self.hide_sent(entry.body)
        for row in OAuthAttempt.objects.exclude(pending_key_id=""):
            self.hide_pending(row)

    def hide_sent(self, body: Any) -> None:
        with contextlib.suppress(ValueError, UnicodeDecodeError):
            found = dict(parse_qsl(body.decode())) if isinstance(body, bytes) else body
            for name in NAMES if isinstance(found, dict) else ():
                value = found.get(name)
                if isinstance(value, str) and value not in self.on_its_page:
                    self.hide(f"{name} that was sent", value)

    def hide_pending(self, row: OAuthAttempt) -> None:
        found = loop.run(login_store().find_login(row.owner_id, login_id=str(row.pk), browser=row.browser), 60)
        pending = pending_of(found)
        parts = {pending.state.reveal(), pending.nonce.reveal()} - {""}
        self.on_its_page |= parts
        self.hide("state or nonce", *parts)
        # A project is an answer to an open question; it is no secret, and stands on the page.
        self.hide("pending", *(text for text in secrets_of(pending) if text not in parts))

    def leaks(self, places: Iterable[tuple[str, bytes]]) -> list[str]:
        """Which secrets stand where."""
        distinct: dict[bytes, str] = {}
        for place, data in places:
            distinct.setdefault(data, place)
        found: list[str] = []
        for own in (True, False):
            # The page of an open sign-in leads to the provider's page by an address with its state and nonce.
            part = {data: place for data, place in distinct.items() if is_login_page(place) == own}
            # Pages have most of their lines in common, and no secret has two lines.
            whole = b"\n".join({line for data in part for line in data.split(b"\n")})
            for secret, what in self.secrets.items():
                if own and secret in self.on_its_page:
                    continue
                for name, form in forms_of(secret).items():
                    if form in whole:
                        where = next((place for data, place in part.items() if form in data), "?")
                        found += [f"{what} ({name}) in {where}", *self._more(part, form)]
        return found

    @staticmethod
    def _more(part: dict[bytes, str], form: bytes) -> list[str]:
        return [
            f"   {place}: ...{data[max(0, data.find(form) - 80) :][:60]!r}"
            for data, place in part.items()
            if form in data
        ]


def is_login_page(place: str) -> bool:
    """Is it the page of one sign-in, or what it asks for, or the value that stands for a begun one in Python?"""
    return "/sessions/login/" in place or place == "python begin"


class Watched(Browser):
    """A browser whose every answer is kept, with its headers."""

    watch: Watch

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
        place = f"{request.get('REQUEST_METHOD', 'GET')} {request.get('PATH_INFO', '')}"
        # Cookies are searched in their own bytes and, for the messages in them, on the page that shows these.
        self.watch.saw(place, body + repr(dict(answer.headers)).encode() + answer.cookies.output().encode())
        return answer


def visit(client: Watched, owner: User) -> None:
    """Every page about every session and sign-in, also in the admin."""
    for row in [*AuthSession.objects.all(), *OAuthAttempt.objects.all()]:
        kind = "/login/" if isinstance(row, OAuthAttempt) else "/sessions/"
        for address in sorted(set(walk(get_resolver(), "/", row))):  # type: ignore[arg-type]  # its pk is all
            fits = str(row.pk) in address and kind in address and ("/login/" in address) == (kind == "/login/")
            if fits:
                client.get(address)
                if address.endswith(("/state/", "/status/")):
                    client.get(address, headers={"HX-Request": "true"})
    for model in (AuthSession, OAuthAttempt, Notice, ImportRun, RefreshLane):
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert model in admin.site._registry, model
        for row in model._default_manager.all()[:8]:
            for page in ("change", "history"):
                client.get(f"{base}{row.pk}/{page}/")


def behind_the_pages() -> Iterator[tuple[str, bytes]]:
    """Browser sessions as they are decoded, and letters."""
    for stored in Session.objects.all():
        yield "browser session", json.dumps(stored.get_decoded(), default=str).encode()
    for letter in mail.outbox:
        yield "letter", letter.message().as_bytes()


def command(watch: Watch, capsys: Any, *words: str) -> str:
    """What a command prints and raises is kept; returned is its standard output."""
    try:
        call_command(*words)
    except (SystemExit, Exception) as error:
        watch.saw(f"manage.py {words[0]} raised", f"{error!r} {error} {vars(error)}")
    printed = capsys.readouterr()
    watch.saw(f"manage.py {' '.join(words[:2])}", printed.out + printed.err)
    return str(printed.out)
