"""Settings of Vertex AI."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from providers_app.setting_types import DefaultModel, Env, IdleTimeout, Names, RefreshMargin, one_of

LOCATION = r"[a-z]{1,24}(?:-[a-z]{1,24}){0,2}[0-9]{0,2}"
"""``global``, a multi-region (``us``, ``eu``) or a region (``europe-west4``): nothing else becomes part of a host."""
VERSION = r"^v[0-9][a-z0-9]*$"
PROJECT = r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}"


class OAuthConfig(BaseModel):
    """``MAESTRO_PROVIDERS__VERTEX_AI__OAUTH__...``: tokens of service accounts, people and this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(default="https://accounts.google.com", description="Who issues the tokens.")
    token_url: str = Field(
        default="https://oauth2.googleapis.com/token",
        description="Where keys and refresh tokens become access tokens; no other address of a pasted file is used.",
    )
    revoke_url: str = Field(default="https://oauth2.googleapis.com/revoke", description="Where a login is ended.")
    scopes: str = Field(
        default="https://www.googleapis.com/auth/cloud-platform",
        description="Scopes of a service account, with spaces between them.",
    )
    metadata_url: str = Field(
        default="http://metadata.google.internal",
        description="The metadata server that the flow metadata asks for this machine's identity.",
    )


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__VERTEX_AI__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credentials_file: Annotated[str, Env("GOOGLE_APPLICATION_CREDENTIALS")] = Field(
        default="",
        description="A file of gcloud or of a service account to store as a session with `manage.py import_sessions "
        "--env`. Nothing is asked with it before.",
    )
    base_url: str = Field(
        default="",
        description="Another address for all of the API, such as a gateway's; its path is kept, and the version is "
        "added where it does not end with one. Empty: Google's own, by location.",
    )
    api_version: str = Field(
        default="v1beta1", pattern=VERSION, description="The version in the address of Google's models."
    )
    claude_api_version: str = Field(
        default="v1", pattern=VERSION, description="The version in the address of Anthropic's models."
    )
    list_api_version: str = Field(
        default="v1beta1",
        pattern=VERSION,
        description="The version in the address of the lists of models, which not every version has.",
    )
    anthropic_version: str = Field(
        default="vertex-2023-10-16", description="The anthropic_version in requests to Anthropic's models."
    )
    project: Annotated[str, Env("GOOGLE_CLOUD_PROJECT")] = Field(
        default="", pattern=rf"^(?:{PROJECT})?$", description="The id of the project for sessions that name none."
    )
    location: Annotated[str, Env("GOOGLE_CLOUD_LOCATION")] = Field(
        default="global",
        pattern=rf"^(?:{LOCATION})$",
        description="The location for sessions that name none: global, us, eu, or a region such as europe-west4.",
    )
    default_model: DefaultModel = ""
    test_model: str = Field(
        default="gemini-2.5-flash",
        min_length=1,
        description="The model of Google whose tokens are counted, free of charge, to test a login.",
    )
    idle_timeout_s: IdleTimeout = None
    refresh_margin_s: RefreshMargin = None
    enabled_flows: Annotated[Names, one_of("metadata")] = Field(
        default=(),
        description="Restricted ways to sign in that are turned on, comma-separated: metadata, which lends everybody "
        "here the identity of this machine.",
    )
    oauth: OAuthConfig = Field(default=OAuthConfig(), description="Where tokens come from.")
