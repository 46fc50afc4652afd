"""A strict resource of Azure OpenAI and its sessions, asked through the universal interface."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User

from providers_app import loop, provider
from providers_app.ports import Session
from sessions_app import credentials
from sessions_app.credentials import as_time
from tests.unit.sessions.support import settle
from tests.vendors.auth.entra import Application, EntraAuth
from tests.vendors.auth.identity import IMDS_PATH, IdentityService
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import Vendor
from tests.wire.vendors.signing_in import Desk, settings

CLASSIC = {"surface": "classic", "api_version": "2025-01-01-preview"}
V1 = {"surface": "v1"}
RESPONSES = {"surface": "v1", "api": "responses"}


@dataclass
class Azure(Vendor):
    """``settings`` are the options of its sessions."""

    settings: dict[str, str] = field(default_factory=dict)

    async def connect(
        self, name: str = "main", key: str | None = None, *, path: str = "", settings: dict[str, str] | None = None
    ) -> Session:
        """A new session; ``path`` is what was copied besides the address of the resource."""
        return await provider.create_session(
            self.slug,
            "api_key",
            name=name,
            api_key=key or self.key,
            base_url=self.server.base_url + path,
            settings=self.settings if settings is None else settings,
        )


def configured(auth: VendorServer, machine: VendorServer, **more: Any) -> dict[str, Any]:
    """Everything that is not an address stays as it ships; the machine's tokens may be sent to this machine."""
    identity = {
        "url": machine.origin + IMDS_PATH,
        "hosts": ("127.0.0.1",),
        "retry_pause_s": 0.01,
        **more.pop("identity", {}),
    }
    entra = {"authority": auth.origin, **more.pop("entra", {})}
    return {"entra": entra, "identity": identity, "enabled_flows": ("managed_identity",)} | more


@dataclass
class EntraDesk(Desk):
    """A person with an application of Entra; ``resource`` is the server behind the endpoint."""

    auth: VendorServer = field(kw_only=True)
    machine: VendorServer = field(kw_only=True)
    resource: VendorServer = field(kw_only=True)

    @property
    def entra(self) -> EntraAuth:
        assert isinstance(self.auth.vendor, EntraAuth)
        return self.auth.vendor

    @property
    def identity(self) -> IdentityService:
        assert isinstance(self.machine.vendor, IdentityService)
        return self.machine.vendor

    def given(self, application: Application, **more: str) -> dict[str, str]:
        """What a person copies from the portal; an empty text leaves a field out."""
        found = {
            "base_url": self.resource.base_url,
            "tenant": application.tenant,
            "client_id": application.client_id,
            "client_secret": application.secret,
        }
        return {name: value for name, value in (found | more).items() if value}

    def connect(self, name: str = "work", *, application: Application | None = None, **more: str) -> Application:
        """A session by an application, a new one where none is given."""
        chosen = application or self.entra.register()
        self.begin("entra_client", name, given=self.given(chosen, **more))
        return chosen

    def made(self, kind: str = "client") -> int:
        """How many tokens were given out."""
        return sum(spend.kind == kind and spend.accepted for spend in self.book.ledger)

    def end(self, name: str = "work") -> None:
        """The stored token ended a minute ago, here and at the resource."""
        row, ended = self.row(name), time.time() - 60
        tokens = msgspec.structs.replace(self.tokens(name), expires_at=ended)
        assert credentials.swap(row.pk, row.generation, tokens, {"expires_at": as_time(ended)})
        self.book.end_all_access()

    def ask_many(self, count: int, name: str = "work") -> list[str]:
        """So many answers at once."""

        async def one() -> str:
            result = await provider.complete_chat(
                self.slug, name, "Hello there.", model="chat-prod", owner=self.person.pk
            )
            return result.text

        async def every() -> list[str]:
            return await asyncio.gather(*(one() for _ in range(count)))

        return loop.run(every(), 60)


@pytest.fixture
def desk(entra_auth: VendorServer, imds_server: VendorServer, azure_server: VendorServer) -> Iterator[EntraDesk]:
    """Ada, whose Maestro knows a local Entra, and runs on a machine with an identity that the operator turned on."""
    ada = User.objects.create_user("ada")
    with settings("azure_openai", **configured(entra_auth, imds_server)):
        yield EntraDesk(
            "azure_openai", entra_auth.auth, ada, auth=entra_auth, machine=imds_server, resource=azure_server
        )
    settle()
