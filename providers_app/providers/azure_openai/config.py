"""Settings of Azure OpenAI."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from providers_app.providers.azure_openai.options import DEPLOYMENTS, VERSION
from providers_app.setting_types import Env, EnvironmentKey, IdleTimeout, key_field


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
