"""Settings of Azure OpenAI."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from providers_app.providers.azure_openai.options import DEPLOYMENTS, VERSION
from providers_app.setting_types import Env, EnvironmentKey, IdleTimeout, Names, RefreshMargin, key_field, one_of

HOSTS = (
    *(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
    *(".openai.azure.us", ".cognitiveservices.azure.us", ".openai.azure.cn", ".cognitiveservices.azure.cn"),
)


class EntraConfig(BaseModel):
    """``MAESTRO_PROVIDERS__AZURE_OPENAI__ENTRA__...``: the flow ``entra_client``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authority: Annotated[str, Env("AZURE_AUTHORITY_HOST")] = Field(
        default="https://login.microsoftonline.com",
        description="Where tokens are asked for; another cloud has its own, such as https://login.microsoftonline.us.",
    )
    scope: str = Field(
        default="https://cognitiveservices.azure.com/.default",
        description="What tokens are asked for; it ends with /.default. Some resources of Foundry want "
        "https://ai.azure.com/.default.",
    )


class IdentityConfig(BaseModel):
    """``MAESTRO_PROVIDERS__AZURE_OPENAI__IDENTITY__...``: the flow ``managed_identity``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Env("IDENTITY_ENDPOINT")] = Field(
        default="http://169.254.169.254/metadata/identity/oauth2/token",
        pattern=r"^https?://[^\s?#]+$",
        description="Address of the identity service; in App Service and Container Apps that of IDENTITY_ENDPOINT.",
    )
    header: Annotated[SecretStr, Env("IDENTITY_HEADER")] = Field(
        default=SecretStr(""),
        description="In App Service and Container Apps the value of IDENTITY_HEADER; empty elsewhere.",
    )
    client_id: str = Field(
        default="", description="The client ID of a user-assigned identity; empty: the machine's own."
    )
    resource: str = Field(
        default="https://cognitiveservices.azure.com/",
        description="The resource that tokens are asked for; a scope without its /.default.",
    )
    hosts: Names = Field(
        default=HOSTS,
        min_length=1,
        description="Where the machine's tokens may be sent, comma-separated: endings of host names that begin with a "
        "dot (https only), or whole hosts.",
    )
    retry_pause_s: float = Field(
        default=0.8, ge=0, le=10, description="Seconds before an identity service that is not ready is asked again."
    )


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__AZURE_OPENAI__...``; a session's own option of the same name is stronger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Annotated[EnvironmentKey, Env("AZURE_OPENAI_API_KEY")] = key_field()
    base_url: Annotated[str, Env("AZURE_OPENAI_ENDPOINT")] = Field(
        default="",
        description="Address of the resource (https://NAME.openai.azure.com) for sessions that have none of their own.",
    )
    surface: Literal["", "v1", "classic"] = Field(
        default="", description="v1 or classic; empty: classic where there is an API version, else v1."
    )
    api_version: Annotated[str, Env("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION")] = Field(
        default="",
        pattern=f"^({VERSION})?$",
        description="API version of the classic surface; empty: a recent one that is generally available.",
    )
    api: Literal["chat", "responses"] = Field(
        default="chat", description="Which API is spoken on the v1 surface: chat (Chat Completions) or responses."
    )
    deployments: str = Field(
        default="",
        pattern=f"^({DEPLOYMENTS})?$",
        description="Deployments, comma-separated, each as deployment=model or just its name; they become the list of "
        "models of sessions that declare none.",
    )
    default_model: str = Field(default="", description="The deployment that is asked when a call names none.")
    idle_timeout_s: IdleTimeout = None
    refresh_margin_s: RefreshMargin = None
    enabled_flows: Annotated[Names, one_of("managed_identity")] = Field(
        default=(),
        description="Restricted ways to sign in that are turned on, comma-separated: managed_identity. It lends the "
        "identity of this machine to everybody who may connect sessions here.",
    )
    entra: EntraConfig = Field(default=EntraConfig(), description="Sign-in with an application of Entra.")
    identity: IdentityConfig = Field(default=IdentityConfig(), description="Sign-in with the machine's own identity.")
