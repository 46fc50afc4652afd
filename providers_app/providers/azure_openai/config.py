"""Settings of Azure OpenAI."""

from typing import Annotated, Literal

from pydantic import SecretStr

from providers_app.providers.azure_openai.options import DEPLOYMENTS, VERSION
from providers_app.setting_types import Env, EnvironmentKey, LoginSettings, Names, Settings, key_field, one_of, setting

HOSTS = (
    *(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
    *(".openai.azure.us", ".cognitiveservices.azure.us", ".openai.azure.cn", ".cognitiveservices.azure.cn"),
)


class EntraConfig(Settings):
    """``MAESTRO_PROVIDERS__AZURE_OPENAI__ENTRA__...``: the flow ``entra_client``."""

    authority: Annotated[str, Env("AZURE_AUTHORITY_HOST")] = setting(
        "https://login.microsoftonline.com",
        "Where tokens are asked for; another cloud has its own, such as https://login.microsoftonline.us.",
    )
    scope: str = setting(
        "https://cognitiveservices.azure.com/.default",
        "The scope of the tokens, ending with /.default. Some Foundry resources need https://ai.azure.com/.default.",
    )


class IdentityConfig(Settings):
    """``MAESTRO_PROVIDERS__AZURE_OPENAI__IDENTITY__...``: the flow ``managed_identity``."""

    url: Annotated[str, Env("IDENTITY_ENDPOINT")] = setting(
        "http://169.254.169.254/metadata/identity/oauth2/token",
        "Address of the identity service; in App Service and Container Apps that of IDENTITY_ENDPOINT.",
        pattern=r"^https?://[^\s?#]+$",
    )
    header: Annotated[SecretStr, Env("IDENTITY_HEADER")] = setting(
        SecretStr(""), "In App Service and Container Apps the value of IDENTITY_HEADER; empty elsewhere."
    )
    client_id: str = setting("", "The client ID of a user-assigned identity; empty: the machine's own.")
    resource: str = setting(
        "https://cognitiveservices.azure.com/", "The resource that tokens are for: a scope without its /.default."
    )
    hosts: Names = setting(
        HOSTS,
        "Hosts that the machine's tokens may be sent to, comma-separated: endings of names that begin with a dot "
        "(https only), or whole hosts.",
        min_length=1,
    )
    retry_pause_s: float = setting(0.8, "Seconds before a service that is not ready is asked again.", ge=0, le=10)


class Config(LoginSettings):
    """``MAESTRO_PROVIDERS__AZURE_OPENAI__...``; a session's own option of the same name is stronger."""

    api_key: Annotated[EnvironmentKey, Env("AZURE_OPENAI_API_KEY")] = key_field()
    base_url: Annotated[str, Env("AZURE_OPENAI_ENDPOINT")] = setting(
        "", "Address of the resource (https://NAME.openai.azure.com) for sessions that have none of their own."
    )
    surface: Literal["", "v1", "classic"] = setting("", "v1 or classic; empty: classic with an API version, else v1.")
    api_version: Annotated[str, Env("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION")] = setting(
        "",
        "API version of the classic surface; empty: a recent one that is generally available.",
        pattern=f"^({VERSION})?$",
    )
    api: Literal["chat", "responses"] = setting("chat", "API of the v1 surface: chat (Chat Completions) or responses.")
    deployments: str = setting(
        "",
        "Deployments for sessions that declare none, comma-separated: deployment=model, or just the name.",
        pattern=f"^({DEPLOYMENTS})?$",
    )
    default_model: str = setting("", "The deployment that is asked when a call names none.")
    enabled_flows: Annotated[Names, one_of("managed_identity")] = setting(
        (),
        "Restricted ways to sign in that are turned on, comma-separated: managed_identity. Every user who may connect "
        "sessions here then acts as this machine's identity.",
    )
    entra: EntraConfig = setting(EntraConfig(), "Sign-in with an application of Entra.")
    identity: IdentityConfig = setting(IdentityConfig(), "Sign-in with the machine's own identity.")
