"""A row of the cross-provider table with a session in a store in memory, asked through the universal interface."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec

from providers_app import conf, loop, ports, provider
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, OAuthFlow, answers
from providers_app.dispatch import clients
from providers_app.ports import Session
from providers_app.registry.resolver import resolve, spoken
from providers_app.registry.settings import build_model
from providers_app.sign_in import checks as login_parts
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import OAuthClient, Tokens
from tests.vendors.ledger import Ledger
from tests.vendors.script import expected_text
from tests.wire.cross import Row, Sides
from tests.wire.replaying import FACTS, LOGIN, Replaying
from tests.wire.vendors.connected import SETTINGS, Vendor
from tests.wire.vendors.openai_logins import LoginSessions

QUESTION = "Hello there."


@dataclass
class Target(Vendor):
    """``replayed``: the server replays recorded answers, and nobody signs in."""

    row: Row = field(default_factory=lambda: Row("", "none", ""))
    sides: Sides = field(default_factory=Sides)
    replayed: bool = False

    @property
    def ledger(self) -> Ledger:
        return self.sides.ledger

    @property
    def expected(self) -> str | None:
        """What the question is answered with; ``None`` where the server has words of its own."""
        return expected_text(QUESTION) if self.row.faults else None

    def named(self, fault: str = "") -> str:
        """The model whose answer has this fault."""
        return self.row.model_with(fault)

    async def connect(self, name: str = "main", key: str | None = None) -> Session:
        """A session of this row; a sign-in is gone through where there is one."""
        row = self.row
        if row.auth_type != "oauth":
            here = None if row.configured or self.sides.api is None else self.sides.api.base_url
            return await provider.create_session(
                row.provider,
                row.auth_type,
                name=name,
                api_key=key or row.key or None,
                base_url=here,
                settings=row.settings,
            )
        if self.replayed:
            facts = FACTS.get(row.provider, {})
            tokens = Tokens(flow=row.flow, access=Secret(LOGIN), facts=facts, read_only="recorded")
            credential = Credential(auth_type="oauth", secret=tokens.access, settings=facts)
        else:
            tokens, credential = await loop.hand_over(self._sign_in())
        if key is not None:  # nothing is left to get a right one with
            why = "a login that nobody made"
            tokens = Tokens(flow=row.flow, access=Secret(key), facts=tokens.facts, read_only=why)
            credential = msgspec.structs.replace(credential, secret=tokens.access)
        assert isinstance(self.store, LoginSessions)
        session = await self.store.create(self.store.owner, row.provider, "oauth", name, credential)
        self.store.refreshes.add(msgspec.structs.replace(session, expires_at=tokens.expires_at), tokens)
        return session

    async def stream(self, fault: str = "", messages: Any = QUESTION, **more: Any) -> list[Any]:
        """All events of one answer of the session ``main``."""
        if not await self._connected():
            await self.connect()
        source = provider.stream_chat(self.slug, "main", messages, model=self.named(fault), **more)
        return [event async for event in source]

    async def _sign_in(self) -> tuple[Tokens, Credential]:
        row, http = self.row, clients.http()
        behaviour = resolve(row.provider, "oauth")
        flow: OAuthFlow = next(each for each in behaviour.flows if each.name == row.flow)
        pasted = next((each for each in ("loopback", "paste_code") if each in flow.methods), "direct")
        method: Any = row.method or pasted
        redirect = login_parts.redirect_uri(flow, "paste_url" if method == "loopback" else method, origin="")
        given = {name: Secret(value) for name, value in row.given(self.sides).items()}
        client = OAuthClient(id=row.client[0], secret=Secret(row.client[1]))
        pending = await behaviour.begin(LoginStart(flow, method, client, redirect, given), http)
        answer = LoginAnswer()
        if method != "direct":
            answer = answers.parse(self.sides.book.approve(pending.url))
            answers.check(pending, answer)
        tokens = await behaviour.identified(await behaviour.exchange(pending, answer, http), http, pending)
        return tokens, await behaviour.api_credentials(tokens, http)


def settings_of(row: Row, sides: Sides) -> Any:
    """The settings of an installation that may reach the row's servers."""
    common = SETTINGS.model_dump() | {"refresh_timeout_s": 3}
    return build_model()(**common, **{row.provider: row.configure(sides)})


def opened(row: Row, sides: Sides, stack: ExitStack, *, replayed: bool) -> Target:
    """The row, with its settings and an empty store, until the stack ends."""
    sessions = LoginSessions()
    stack.enter_context(conf.use(settings_of(row, sides)))
    stack.enter_context(ports.use(sessions=sessions, refreshes=sessions.refreshes))
    assert sides.api is None or isinstance(sides.api.ledger, Ledger)
    return Target(row.provider, sides.api, row.key, row.model, None, sessions, row, sides, replayed)  # type: ignore[arg-type]


def dialect_name(row: Row) -> str:
    """The name of the dialect that the row's model speaks."""
    plain = Credential(auth_type=row.auth_type, secret=Secret("x"), settings=row.settings)
    return spoken(row.provider, row.model, plain).name


__all__ = ["QUESTION", "Replaying", "Target", "dialect_name", "opened"]
