"""A strict resource of Azure OpenAI and its sessions, asked through the universal interface."""

from dataclasses import dataclass, field

from providers_app import provider
from providers_app.ports import Session
from tests.wire.vendors.connected import Vendor

CLASSIC = {"surface": "classic", "api_version": "2025-01-01-preview"}
V1 = {"surface": "v1"}
RESPONSES = {"surface": "v1", "api": "responses"}


@dataclass
class Azure(Vendor):
    """``settings`` are the options of its sessions."""

    settings: dict[str, str] = field(default_factory=dict)

    async def connect(
        self,
        name: str = "main",
        key: str | None = None,
        *,
        path: str = "",
        settings: dict[str, str] | None = None,
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
