"""A person who signs in to a provider over its strict server, with the real stores underneath."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from providers_app import conf, loop, ports, provider
from providers_app.behaviours.oauth import PendingLogin
from providers_app.ports import Session
from providers_app.registry.settings import build_model
from providers_app.sign_in import flow as login_flow
from providers_app.types.chat import ChatResult
from providers_app.types.events import Event
from providers_app.types.refresh import RefreshReport
from providers_app.types.tokens import Tokens
from sessions_app import credentials
from sessions_app.models import AuthSession
from tests.vendors.auth import Book

HERE = "http://localhost:8000"


@contextmanager
def settings(slug: str, **given: Any) -> Iterator[None]:
    """This provider configured so, with loopback allowed."""
    common = {"allowed_private_hosts": ("127.0.0.1", "localhost"), "lookup_timeout_s": 10, "request_timeout_s": 20}
    with conf.use(build_model()(**common, **{slug: given})):
        yield


@dataclass
class Desk:
    """Everything is asked through the universal interface, and waited for."""

    slug: str
    book: Book
    person: User
    browser: str = "browser-1"

    def begin(self, flow: str, name: str = "work", **more: Any) -> PendingLogin:
        asked = {"flow": flow, "name": name, "browser": self.browser, "owner": self.person.pk} | more
        return loop.run(login_flow.begin_login(self.slug, **asked), 60)

    def complete(self, pending: PendingLogin, answer: str | Mapping[str, str]) -> Session:
        work = login_flow.complete_login(pending.id, answer=answer, browser=self.browser, owner=self.person.pk)
        return loop.run(work, 60)

    def callback(self, params: Mapping[str, str]) -> Session:
        return loop.run(login_flow.complete_callback(params, browser=self.browser, owner=self.person.pk), 60)

    def sign_in(self, flow: str, name: str = "work", **more: Any) -> Session:
        """The whole way of a pasted code."""
        pending = self.begin(flow, name, **more)
        return self.complete(pending, self.book.approve(pending.url))

    def stream(self, model: str, name: str = "work", messages: Any = "Hello there.", **more: Any) -> list[Event]:
        async def read() -> list[Event]:
            source = provider.stream_chat(self.slug, name, messages, model=model, owner=self.person.pk, **more)
            return [event async for event in source]

        return loop.run(read(), 60)

    def ask(self, model: str, name: str = "work", **more: Any) -> ChatResult:
        work = provider.complete_chat(self.slug, name, "Hello there.", model=model, owner=self.person.pk, **more)
        return loop.run(work, 60)

    def refresh(self, name: str = "work") -> Tokens:
        return loop.run(provider.refresh_tokens(self.slug, name, owner=self.person.pk), 60)

    def report(self, name: str = "work") -> RefreshReport:
        """What a refresh on request comes to."""
        return loop.run(provider.refresh_session(str(self.row(name).pk), trigger="command"), 60)

    def tokens(self, name: str = "work") -> Tokens:
        """What is stored."""
        found = credentials.open_tokens(self.row(name))
        assert found is not None
        return found

    def row(self, name: str = "work") -> AuthSession:
        return AuthSession.objects.get(provider=self.slug, name=name, owner=self.person)

    def status(self, name: str = "work") -> str:
        """The stored status, once a use was told of, which is not on the caller's time."""
        limit = time.monotonic() + 60
        while (found := self.row(name).status) == "active" and time.monotonic() < limit:
            time.sleep(0.02)
        return found

    def keep(self, tokens: Tokens, name: str = "work") -> Session:
        """Store a login that did not come from a sign-in."""
        work = ports.login_store().create_session(
            self.person.pk, self.slug, name, tokens, next_refresh_at=tokens.expires_at
        )
        return loop.run(work, 60)


def secrets_in(value: Any, *secrets: str) -> list[str]:
    """Which of these secrets a value shows."""
    shown = repr(value) + str(value) + getattr(value, "hint", "")
    return [secret for secret in secrets if secret in shown]
