"""Vertex AI with Google's strict servers: every way to sign in, and asking with what that gave."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import pytest

from providers_app import conf, loop, ports, provider
from providers_app.behaviours.oauth import LoginAnswer, LoginStart
from providers_app.dispatch import clients
from providers_app.ports import Session
from providers_app.providers.vertex_ai.config import Config, OAuthConfig
from providers_app.providers.vertex_ai.oauth import BEHAVIOUR
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import Event
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GOOGLE_DESKTOP, GOOGLE_SECRET
from tests.vendors.auth.records import Account, ServiceAccount
from tests.vendors.auth.workloads import add_service_account
from tests.vendors.server import VendorServer
from tests.vendors.vertex import VALID_KEY
from tests.wire.vendors.openai_logins import LoginSessions

T = TypeVar("T")
GEMINI, CLAUDE = "gemini-3-pro", "claude-opus-5"
LOGINS = ("service_account", "adc", "metadata")
CASES = [*((way, model) for way in LOGINS for model in (GEMINI, CLAUDE)), ("express", GEMINI)]
"""Every way in, with each publisher that it reaches."""
_robot: list[tuple[dict[str, str], ServiceAccount, Account]] = []
ROBOT = "robot@local.iam.gserviceaccount.com"


class VertexDesk:
    """A person at the Connect page, the API, the token endpoint and the machine's metadata server."""

    def __init__(self, api: VendorServer, auth: VendorServer, machine: VendorServer) -> None:
        self.api, self.auth, self.machine = api, auth, machine
        self.sessions = LoginSessions()
        self.book.add_account("1170", "ada@example.com", project_id="ada-project")

    @property
    def book(self) -> Book:
        return self.auth.auth

    def config(self, **changes: Any) -> Config:
        """Every address on the local servers; ``changes`` as the operator would make them."""
        oauth = OAuthConfig(
            issuer=self.auth.origin,
            token_url=f"{self.auth.origin}/token",
            revoke_url=f"{self.auth.origin}/revoke",
            metadata_url=self.machine.origin,
        )
        given = {"base_url": self.api.origin, "enabled_flows": ("metadata",), "oauth": oauth}
        return Config(**(given | changes))

    @contextmanager
    def configured(self, idle_timeout_s: float = 10, **changes: Any) -> Iterator[None]:
        """The settings of an installation that may reach these servers, and its stores."""
        settings = build_model()(
            allowed_private_hosts=("127.0.0.1",),
            idle_timeout_s=idle_timeout_s,
            request_timeout_s=20,
            lookup_timeout_s=10,
            refresh_timeout_s=3,
            vertex_ai=self.config(**changes),
        )
        with conf.use(settings), ports.use(sessions=self.sessions, refreshes=self.sessions.refreshes):
            yield

    def material(self, way: str) -> dict[str, str]:
        """What the person pastes; a file of a person is what gcloud would have written."""
        if way == "service_account":
            return {"service_account": json.dumps(robot_file(self.book))}
        if way == "adc":
            return {"credentials": json.dumps(self.adc_file())}
        return {}

    def adc_file(self, **changes: Any) -> dict[str, Any]:
        """``application_default_credentials.json`` of Ada."""
        issued = self.book.issue("1170", GOOGLE_DESKTOP)
        file = {
            "type": "authorized_user",
            "account": "ada@example.com",
            "client_id": GOOGLE_DESKTOP,
            "client_secret": GOOGLE_SECRET,
            "refresh_token": issued.refresh,
            "quota_project_id": "ada-project",
            "universe_domain": "googleapis.com",
        }
        return {name: value for name, value in (file | changes).items() if value is not None}

    async def sign_in(self, way: str, **given: str) -> Tokens:
        """As the login flow does it: begin, then the exchange of a sign-in without a browser."""
        flow = next(each for each in BEHAVIOUR.flows if each.name == way)
        fields = {name: Secret(text) for name, text in (self.material(way) | given).items()}
        pending = await act(lambda http: BEHAVIOUR.begin(LoginStart(flow, "direct", given=fields), http))
        return await act(lambda http: BEHAVIOUR.exchange(pending, LoginAnswer(), http))

    async def refresh(self, tokens: Tokens) -> Tokens:
        return await act(lambda http: BEHAVIOUR.refresh(tokens, http))

    async def connect(self, way: str, name: str = "main", **given: str) -> Session:
        """The session that a sign-in becomes, or that a key is stored as."""
        if way == "express":
            credential = Credential(auth_type="api_key", secret=Secret(VALID_KEY))
            return await self.sessions.create(self.sessions.owner, "vertex_ai", "api_key", name, credential)
        tokens = await self.sign_in(way, **given)
        credential = await act(lambda http: BEHAVIOUR.api_credentials(tokens, http))
        session = await self.sessions.create(self.sessions.owner, "vertex_ai", "oauth", name, credential)
        session = msgspec.structs.replace(session, expires_at=tokens.expires_at)
        self.sessions.refreshes.add(session, tokens)
        return session

    async def stream(self, model: str, messages: Any = "Hello there.", **more: Any) -> list[Event]:
        """All events of one answer of the session ``main``."""
        return [event async for event in provider.stream_chat("vertex_ai", "main", messages, model=model, **more)]

    def tokens_of(self, session: Session) -> Tokens:
        """What is stored now."""
        return self.sessions.refreshes.rows[session.id].tokens


@pytest.fixture
def desk(vertex_server: VendorServer, google_auth: VendorServer, gce_metadata: VendorServer) -> Iterator[VertexDesk]:
    """Everything on the local servers, nobody signed in."""
    made = VertexDesk(vertex_server, google_auth, gce_metadata)
    with made.configured():
        yield made


def robot_file(book: Book) -> dict[str, str]:
    """The key file of a service account that the book knows; its key is made once, because that takes long."""
    if not _robot:
        _robot.append((add_service_account(book, ROBOT), book.service_accounts[ROBOT], book.accounts[ROBOT]))
    file, robot, account = _robot[0]
    with book.lock:
        book.service_accounts[ROBOT], book.accounts[ROBOT] = robot, account
    return file | {"token_uri": f"{book.origin}/token"}


async def act(call: Callable[[Http], Awaitable[T]]) -> T:
    """One call of the behaviour on the provider loop, with the client of this process."""

    async def on_loop() -> T:
        return await call(clients.http())

    return await loop.hand_over(on_loop())
