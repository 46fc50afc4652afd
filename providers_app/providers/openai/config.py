"""Settings of OpenAI. Addresses and client ids are those of ``auth.openai.com`` as its open-source clients use them."""

import hashlib
import platform
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from providers_app.setting_types import (
    KEEPS_EMPTY,
    DefaultModel,
    Env,
    EnvironmentKey,
    IdleTimeout,
    Names,
    Ports,
    RefreshMargin,
    key_field,
    one_of,
)

Mode = Literal["", "chatgpt", "api_key"]
MAX_PORT = 65535


def ports_from(lowest: int) -> AfterValidator:
    """Return the check of a list of ports."""

    def check(value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not lowest <= port <= MAX_PORT for port in value):
            raise ValueError(f"a port is a number from {lowest} to {MAX_PORT}")
        return value

    return AfterValidator(check)


class OAuthConfig(BaseModel):
    """``MAESTRO_PROVIDERS__OPENAI__OAUTH__...``: the flows ``codex`` and ``device``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(
        default="app_EMoamEEZ73f0CkXaXp7hrann", min_length=1, description="The public client that signs in."
    )
    issuer: str = Field(
        default="https://auth.openai.com",
        description="Who signs id tokens; its discovery document fills empty addresses.",
    )
    authorize_url: str = Field(
        default="https://auth.openai.com/oauth/authorize", description="The page where access is allowed."
    )
    token_url: str = Field(
        default="https://auth.openai.com/oauth/token", description="Where codes and refresh tokens become tokens."
    )
    revoke_url: Annotated[str, KEEPS_EMPTY] = Field(
        default="https://auth.openai.com/oauth/revoke", description="Where a login is ended; empty: as discovered."
    )
    jwks_url: str = Field(default="", description="The issuer's public keys; empty: as discovered.")
    device_code_url: str = Field(
        default="https://auth.openai.com/api/accounts/deviceauth/usercode",
        description="Where a device code is asked for.",
    )
    device_token_url: str = Field(
        default="https://auth.openai.com/api/accounts/deviceauth/token",
        description="Where it is asked whether the device code was typed in.",
    )
    device_page_url: str = Field(
        default="https://auth.openai.com/codex/device", description="The page where a person types the device code."
    )
    device_redirect_uri: str = Field(
        default="https://auth.openai.com/deviceauth/callback", description="The redirect address of device codes."
    )
    scopes: str = Field(default="openid profile email offline_access", description="Scopes, with spaces between them.")
    ports: Annotated[Ports, ports_from(1)] = Field(
        default=(1455, 1457),
        min_length=1,
        description="Ports of the loopback listener in the order in which they are tried, comma-separated; "
        "the server takes no other ones.",
    )
    originator: str = Field(
        default="maestro",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="How we name ourselves.",
    )
    mode: Mode = Field(
        default="",
        description="`chatgpt` or `api_key` for every sign-in that names neither; empty: by the account's plan.",
    )


class SiwcConfig(BaseModel):
    """``MAESTRO_PROVIDERS__OPENAI__SIWC__...``: the flow ``chatgpt`` (Sign in with ChatGPT)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(
        default="https://auth.openai.com",
        description="Who signs id tokens; its discovery document fills empty addresses.",
    )
    authorize_url: str = Field(
        default="https://auth.openai.com/api/accounts/authorize", description="The page where access is allowed."
    )
    token_url: str = Field(
        default="https://auth.openai.com/api/accounts/oauth/token",
        description="Where codes and refresh tokens become tokens.",
    )
    revoke_url: str = Field(default="", description="Where a login is ended; empty: as discovered.")
    jwks_url: str = Field(default="", description="The issuer's public keys; empty: as discovered.")
    client_id: str = Field(
        default="", description="A client of one's own; empty: each account is given one at its first sign-in."
    )
    agent_name: str = Field(
        default="Maestro", min_length=1, max_length=64, description="The name under which consent is asked for."
    )
    agent_host_id: str = Field(
        default="",
        description="A UUID that names this installation (not a secret); empty: made from the machine's name and the "
        "folder of Maestro. Set it where the machine's name changes, as it does in containers.",
    )
    resource: str = Field(default="https://api.openai.com/v1", description="The API that the tokens are meant for.")
    scopes: str = Field(
        default="openid profile email offline_access resource.invoke chatgpt.tokens.use.direct",
        description="Scopes, with spaces between them.",
    )
    ports: Annotated[Ports, ports_from(0)] = Field(
        default=(0,), min_length=1, description="Ports of the loopback listener, comma-separated; 0 is any free one."
    )

    @field_validator("agent_host_id")
    @classmethod
    def _valid_host_id(cls, value: str) -> str:
        return str(UUID(value.removeprefix("urn:uuid:"))) if value else ""

    @property
    def host_id(self) -> str:
        """``urn:uuid:...``, the same for every sign-in of this installation."""
        return f"urn:uuid:{self.agent_host_id or _made_host_id()}"


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__OPENAI__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Annotated[EnvironmentKey, Env("OPENAI_API_KEY")] = key_field()
    base_url: Annotated[str, Env("OPENAI_BASE_URL")] = Field(
        default="https://api.openai.com/v1", description="Address of the API, with /v1."
    )
    chatgpt_base_url: str = Field(
        default="https://chatgpt.com/backend-api/codex",
        description="Address that sign-ins in ChatGPT mode use instead of the API.",
    )
    client_version: str = Field(
        default="1.0.0",
        pattern=r"^\d+\.\d+\.\d+$",
        description="The client version that the list of models in ChatGPT mode is asked for with.",
    )
    organization: Annotated[str, Env("OPENAI_ORG_ID")] = Field(
        default="", description="The OpenAI-Organization header; empty sends none."
    )
    project: Annotated[str, Env("OPENAI_PROJECT_ID")] = Field(
        default="", description="The OpenAI-Project header; empty sends none."
    )
    default_model: DefaultModel = ""
    idle_timeout_s: IdleTimeout = None
    refresh_margin_s: RefreshMargin = None
    enabled_flows: Annotated[Names, one_of("codex", "device")] = Field(
        default=(),
        description="Restricted ways to sign in that are turned on, comma-separated: codex, device. Read their "
        "vendor's position first.",
    )
    oauth: OAuthConfig = Field(default=OAuthConfig(), description="Sign-in with a ChatGPT account (codex, device).")
    siwc: SiwcConfig = Field(default=SiwcConfig(), description="Sign in with ChatGPT (chatgpt).")


def _made_host_id() -> UUID:
    """Make a version 4 UUID that is the same in every process of one installation."""
    place = f"maestro\0{platform.node()}\0{Path(__file__).parents[3]}"
    return UUID(bytes=hashlib.sha256(place.encode()).digest()[:16], version=4)
