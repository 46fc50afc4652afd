"""Settings of OpenAI. Addresses and client ids are those of ``auth.openai.com`` as its open-source clients use them."""

import hashlib
import platform
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, field_validator

from providers_app.setting_types import (
    KEEPS_EMPTY,
    Env,
    EnvironmentKey,
    LoginSettings,
    Names,
    Ports,
    Settings,
    key_field,
    one_of,
    setting,
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


class OAuthConfig(Settings):
    """``MAESTRO_PROVIDERS__OPENAI__OAUTH__...``: the flows ``codex`` and ``device``."""

    client_id: str = setting("app_EMoamEEZ73f0CkXaXp7hrann", "The public client that signs in.", min_length=1)
    issuer: str = setting("https://auth.openai.com", "Signs id tokens; its discovery document fills empty addresses.")
    authorize_url: str = setting("https://auth.openai.com/oauth/authorize", "The page where access is allowed.")
    token_url: str = setting("https://auth.openai.com/oauth/token", "Exchanges codes and refresh tokens.")
    revoke_url: Annotated[str, KEEPS_EMPTY] = setting(
        "https://auth.openai.com/oauth/revoke", "Where a login is ended; empty: as discovered."
    )
    jwks_url: str = setting("", "The issuer's public keys; empty: as discovered.")
    device_code_url: str = setting("https://auth.openai.com/api/accounts/deviceauth/usercode", "Issues device codes.")
    device_token_url: str = setting(
        "https://auth.openai.com/api/accounts/deviceauth/token", "Tells whether a device code was entered."
    )
    device_page_url: str = setting("https://auth.openai.com/codex/device", "The page where a device code is entered.")
    device_redirect_uri: str = setting(
        "https://auth.openai.com/deviceauth/callback", "Redirect address of device codes."
    )
    scopes: str = setting("openid profile email offline_access", "Scopes, with spaces between them.")
    ports: Annotated[Ports, ports_from(1)] = setting(
        (1455, 1457),
        "Loopback ports in the order of preference, comma-separated; the server takes no others.",
        min_length=1,
    )
    originator: str = setting(
        "maestro", "This client's name.", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$"
    )
    mode: Mode = setting("", "`chatgpt` or `api_key` for sign-ins that name neither; empty: by the account's plan.")


class SiwcConfig(Settings):
    """``MAESTRO_PROVIDERS__OPENAI__SIWC__...``: the flow ``chatgpt`` (Sign in with ChatGPT)."""

    issuer: str = setting("https://auth.openai.com", "Signs id tokens; its discovery document fills empty addresses.")
    authorize_url: str = setting("https://auth.openai.com/api/accounts/authorize", "The page where access is allowed.")
    token_url: str = setting("https://auth.openai.com/api/accounts/oauth/token", "Exchanges codes and refresh tokens.")
    revoke_url: str = setting("", "Where a login is ended; empty: as discovered.")
    jwks_url: str = setting("", "The issuer's public keys; empty: as discovered.")
    client_id: str = setting("", "A client of one's own; empty: each account is given one at its first sign-in.")
    agent_name: str = setting("Maestro", "The name under which consent is asked for.", min_length=1, max_length=64)
    agent_host_id: str = setting(
        "",
        "A UUID that names this installation (not a secret); empty: made from the machine's name and the "
        "folder of Maestro. Set it where the machine's name changes, as it does in containers.",
    )
    resource: str = setting("https://api.openai.com/v1", "The API that the tokens are meant for.")
    scopes: str = setting(
        "openid profile email offline_access resource.invoke chatgpt.tokens.use.direct",
        "Scopes, with spaces between them.",
    )
    ports: Annotated[Ports, ports_from(0)] = setting(
        (0,), "Loopback ports, comma-separated; 0: any free port.", min_length=1
    )

    @field_validator("agent_host_id")
    @classmethod
    def _valid_host_id(cls, value: str) -> str:
        return str(UUID(value.removeprefix("urn:uuid:"))) if value else ""

    @property
    def host_id(self) -> str:
        """``urn:uuid:...``, the same for every sign-in of this installation."""
        place = f"maestro\0{platform.node()}\0{Path(__file__).parents[3]}"
        made = UUID(bytes=hashlib.sha256(place.encode()).digest()[:16], version=4)
        return f"urn:uuid:{self.agent_host_id or made}"


class Config(LoginSettings):
    """``MAESTRO_PROVIDERS__OPENAI__...``"""

    api_key: Annotated[EnvironmentKey, Env("OPENAI_API_KEY")] = key_field()
    base_url: Annotated[str, Env("OPENAI_BASE_URL")] = setting(
        "https://api.openai.com/v1", "Address of the API, with /v1."
    )
    chatgpt_base_url: str = setting("https://chatgpt.com/backend-api/codex", "The API address in ChatGPT mode.")
    client_version: str = setting(
        "1.0.0",
        "The client version that the list of models in ChatGPT mode is asked for with.",
        pattern=r"^\d+\.\d+\.\d+$",
    )
    organization: Annotated[str, Env("OPENAI_ORG_ID")] = setting("", "OpenAI-Organization header; empty sends none.")
    project: Annotated[str, Env("OPENAI_PROJECT_ID")] = setting("", "OpenAI-Project header; empty sends none.")
    enabled_flows: Annotated[Names, one_of("codex", "device")] = setting(
        (), "Restricted sign-ins to enable, comma-separated: codex, device. Read the vendor's position first."
    )
    oauth: OAuthConfig = setting(OAuthConfig(), "Sign-in with a ChatGPT account (codex, device).")
    siwc: SiwcConfig = setting(SiwcConfig(), "Sign in with ChatGPT (chatgpt).")
