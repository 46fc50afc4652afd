"""The table of the tests that hold for every provider: one row per provider and auth type, and per further sign-in.

A new provider needs a row here and nothing else: ``test_cross_provider`` and ``test_e2e_command`` take it from then on.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from providers_app.types.catalogue import AuthType
from tests.vendors import anthropic, azure, chat, gemini, openai, openrouter, vertex
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GOOGLE_DESKTOP, GOOGLE_SECRET
from tests.vendors.auth.entra import EntraAuth
from tests.vendors.auth.workloads import add_service_account
from tests.vendors.ledger import Ledger
from tests.vendors.server import VendorServer
from tests.wire.vendors import anthropic_desk, azure_desk, openai_logins, vertex_desk


@dataclass
class Sides:
    """The strict servers of a row: the provider's, the one that signs people in, and the metadata of the machine."""

    api: VendorServer | None = None
    auth: VendorServer | None = None
    machine: VendorServer | None = None

    @property
    def book(self) -> Book:
        assert self.auth is not None
        return self.auth.auth

    @property
    def ledger(self) -> Ledger:
        assert self.api is not None
        return self.api.ledger


def _nothing(sides: Sides) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Row:
    """One way to use one provider.

    ``api``, ``auth`` and ``machine`` name the fixtures of its servers (two may be the same one). ``configure`` gives
    the provider's settings, ``people`` makes accounts, ``given`` are the answers to the fields of the sign-in.
    ``account`` names a kind of account, where a row is about one.
    ``further`` rows are other sign-ins of a provider and auth type that has a row: ``e2e`` alone is run with them.
    ``listed_as`` is the model's name in the list of models. ``path`` ends the server's address.
    ``faults``: the server takes fault names at the end of a model's name (see ``tests.vendors.plan``); without,
    ``names`` are the models that have them.
    """

    provider: str
    auth_type: AuthType
    model: str
    api: str = ""
    auth: str = ""
    machine: str = ""
    key: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    flow: str = ""
    method: str = ""
    account: str = ""
    client: tuple[str, str] = ("", "")
    configure: Callable[[Sides], dict[str, Any]] = _nothing
    people: Callable[[Sides], None] = _nothing  # type: ignore[assignment]
    given: Callable[[Sides], dict[str, str]] = _nothing
    path: str = ""
    further: bool = False
    listed_as: str = ""
    faults: bool = True
    names: dict[str, str] = field(default_factory=dict)

    @property
    def configured(self) -> bool:
        """Do the provider's settings say where it is? Else the session does."""
        return self.configure is not _nothing

    @property
    def id(self) -> str:
        """How tests name it."""
        return "-".join(part for part in (self.provider, self.auth_type, self.flow, self.method, self.account) if part)

    def model_with(self, fault: str) -> str:
        """The model whose answer has this fault."""
        if not fault:
            return self.model
        return f"{self.model}-{fault}" if self.faults else self.names[fault]

    def sides(self, request: pytest.FixtureRequest) -> Sides:
        """Its servers, started, with the accounts that it needs."""
        names = (self.api, self.auth, self.machine)
        sides = Sides(*(request.getfixturevalue(name) if name else None for name in names))
        self.people(sides)
        return sides


def _anthropic(sides: Sides) -> dict[str, Any]:
    assert sides.auth is not None and sides.api is not None
    return anthropic_desk.configured(sides.auth, sides.api)


def _openai(sides: Sides) -> dict[str, Any]:
    assert sides.auth is not None and sides.api is not None
    return openai_logins.OpenAIDesk(sides.auth, sides.api).config().model_dump()


def _google(sides: Sides) -> dict[str, Any]:
    assert sides.auth is not None and sides.api is not None
    origin = sides.auth.origin
    paths = {"authorize": "/o/oauth2/v2/auth", "token": "/token", "revoke": "/revoke", "jwks": "/oauth2/v3/certs"}
    oauth = {"issuer": origin, **{f"{name}_url": origin + path for name, path in paths.items()}}
    return {"base_url": sides.api.base_url, "oauth": oauth}


def _openrouter(sides: Sides) -> dict[str, Any]:
    assert sides.api is not None
    return {"base_url": sides.api.base_url, "auth_url": f"{sides.api.origin}/auth"}


def _vertex(sides: Sides) -> dict[str, Any]:
    assert sides.api is not None and sides.auth is not None and sides.machine is not None
    origin, machine = sides.auth.origin, sides.machine.origin
    oauth = {"issuer": origin, "token_url": f"{origin}/token", "revoke_url": f"{origin}/revoke"}
    return {"base_url": sides.api.origin, "enabled_flows": ("metadata",), "oauth": oauth | {"metadata_url": machine}}


def _adc(sides: Sides) -> dict[str, str]:
    assert sides.api is not None and sides.auth is not None and sides.machine is not None
    return vertex_desk.VertexDesk(sides.api, sides.auth, sides.machine).material("adc")


def _azure(sides: Sides) -> dict[str, Any]:
    assert sides.api is not None and sides.auth is not None and sides.machine is not None
    return azure_desk.configured(sides.auth, sides.machine, base_url=sides.api.base_url)


def _application(sides: Sides) -> dict[str, str]:
    assert sides.auth is not None and isinstance(sides.auth.vendor, EntraAuth)
    made = sides.auth.vendor.register()
    return {"tenant": made.tenant, "client_id": made.client_id, "client_secret": made.secret}


def _ada(**more: Any) -> Callable[[Sides], None]:
    def add(sides: Sides) -> None:
        sides.book.add_account("acct-ada", "ada@example.com", **more)

    return add


def _robot(sides: Sides) -> dict[str, str]:
    return {"service_account": json.dumps(add_service_account(sides.book, "bot@local.iam.gserviceaccount.com"))}


CLAUDE, GPT, GEMINI, ROUTED = "claude-opus-5", "gpt-5.6", "gemini-3-pro", "openai/gpt-5.6"
_ANTHROPIC = {
    "api": "anthropic_server",
    "auth": "anthropic_auth",
    "configure": _anthropic,
    "people": _ada(organization_id="org-1"),
}
_OPENAI = {"api": "openai_server", "auth": "openai_auth", "configure": _openai, "people": _ada(plan="plus")}
_ENTERPRISE = {**_OPENAI, "people": _ada(plan="enterprise", organization_id="org-1", project_id="proj-1")}
_GOOGLE = {
    "api": "gemini_server",
    "auth": "google_auth",
    "configure": _google,
    "people": _ada(project_id="ada-project"),
}
_ROUTER = {
    "api": "openrouter_server",
    "auth": "openrouter_server",
    "configure": _openrouter,
    "people": _ada(),
    "path": "/api/v1",
}
_VERTEX = {"api": "vertex_server", "auth": "google_auth", "machine": "gce_metadata", "configure": _vertex}
_AZURE = {"api": "azure_server", "auth": "entra_auth", "machine": "imds_server", "configure": _azure, "listed_as": GPT}
_DESKTOP = {"client": (GOOGLE_DESKTOP, GOOGLE_SECRET), "given": lambda sides: {"project": "ada-project"}}
_DEMO = {
    "tools": "demo-instant-tools",
    "json": "demo-instant",
    "truncate": "demo-instant-truncated",
    "held": "demo-silence",
    "mystery": "demo-mystery",
    "status-401": "demo-error-401",
    "status-429-retry-after-3": "demo-error-429",
    "status-500": "demo-error-500",
    "html-502": "demo-html-502",
}
_V1 = {"surface": "v1"}

ROWS: tuple[Row, ...] = (
    Row("anthropic", "api_key", CLAUDE, "anthropic_server", key=anthropic.VALID_KEY),
    Row("anthropic", "oauth", CLAUDE, flow="claude", **_ANTHROPIC),
    Row("anthropic", "oauth", CLAUDE, flow="console_key", further=True, **_ANTHROPIC),
    Row("openai", "api_key", GPT, "openai_server", key=openai.VALID_KEY, path="/v1"),
    Row("openai", "oauth", GPT, flow="chatgpt", **_OPENAI),
    Row("openai", "oauth", GPT, flow="codex", method="paste_url", further=True, **_OPENAI),
    Row("openai", "oauth", GPT, flow="device", further=True, **_OPENAI),
    Row("openai", "oauth", GPT, flow="codex", account="enterprise", further=True, **_ENTERPRISE),
    Row("gemini", "api_key", GEMINI, "gemini_server", key=gemini.VALID_KEY),
    Row("gemini", "oauth", GEMINI, flow="google", **_GOOGLE, **_DESKTOP),
    Row("gemini", "oauth", GEMINI, flow="google", method="paste_url", further=True, **_GOOGLE, **_DESKTOP),
    Row("gemini", "oauth", GEMINI, flow="service_account", further=True, given=_robot, **_GOOGLE),
    Row("openrouter", "api_key", ROUTED, "openrouter_server", key=openrouter.VALID_KEY, path="/api/v1"),
    Row("openrouter", "oauth", ROUTED, flow="openrouter", **_ROUTER),
    Row("openrouter", "oauth", ROUTED, flow="openrouter", method="paste_code", further=True, **_ROUTER),
    Row("remote", "api_key", "local-large", "chat_server", key=chat.VALID_KEY, path="/v1"),
    Row("remote", "none", "local-large", "keyless_chat_server", path="/v1"),
    Row("azure_openai", "api_key", "reasoner", "azure_server", key=azure.VALID_KEY, settings=_V1, listed_as=GPT),
    Row("azure_openai", "oauth", "reasoner", flow="entra_client", given=_application, **_AZURE),
    Row("azure_openai", "oauth", "reasoner", flow="managed_identity", further=True, **_AZURE),
    Row("vertex_ai", "api_key", GEMINI, key=vertex.VALID_KEY, listed_as="gemini-2.5-flash", **_VERTEX),
    Row("vertex_ai", "oauth", GEMINI, flow="service_account", given=_robot, **_VERTEX),
    Row("vertex_ai", "oauth", CLAUDE, flow="adc", further=True, given=_adc, **_VERTEX),
    Row("vertex_ai", "oauth", GEMINI, flow="metadata", further=True, **_VERTEX),
    Row("demo", "none", "demo-instant", faults=False, names=_DEMO),
)
