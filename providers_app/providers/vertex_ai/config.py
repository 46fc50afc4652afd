"""Settings of Vertex AI."""

from typing import Annotated

from providers_app.setting_types import Env, LoginSettings, Names, Settings, one_of, setting

LOCATION = r"[a-z]{1,24}(?:-[a-z]{1,24}){0,2}[0-9]{0,2}"
"""``global``, a multi-region (``us``, ``eu``) or a region (``europe-west4``): nothing else becomes part of a host."""
VERSION = r"^v[0-9][a-z0-9]*$"
PROJECT = r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}"


class OAuthConfig(Settings):
    """``MAESTRO_PROVIDERS__VERTEX_AI__OAUTH__...``: tokens of service accounts, people and this machine."""

    issuer: str = setting("https://accounts.google.com", "Who issues the tokens.")
    token_url: str = setting(
        "https://oauth2.googleapis.com/token",
        "Where keys and refresh tokens become access tokens; no other address of a pasted file is used.",
    )
    revoke_url: str = setting("https://oauth2.googleapis.com/revoke", "Where a login is ended.")
    scopes: str = setting(
        "https://www.googleapis.com/auth/cloud-platform", "Scopes of a service account, separated by spaces."
    )
    metadata_url: str = setting(
        "http://metadata.google.internal", "The server that the flow metadata asks for this machine's identity."
    )


class Config(LoginSettings):
    """``MAESTRO_PROVIDERS__VERTEX_AI__...``"""

    credentials_file: Annotated[str, Env("GOOGLE_APPLICATION_CREDENTIALS")] = setting(
        "",
        "A gcloud or service account file to store as a session with `manage.py import_sessions --env`; it is used for "
        "nothing before that.",
    )
    base_url: str = setting(
        "",
        "Another address for all of the API, such as a gateway's; its path is kept, and the version is "
        "added where it does not end with one. Empty: Google's own, by location.",
    )
    api_version: str = setting("v1beta1", "The version in the address of Google's models.", pattern=VERSION)
    claude_api_version: str = setting("v1", "The version in the address of Anthropic's models.", pattern=VERSION)
    list_api_version: str = setting(
        "v1beta1", "The API version of the model lists; not every version has them.", pattern=VERSION
    )
    anthropic_version: str = setting("vertex-2023-10-16", "The anthropic_version in requests to Anthropic's models.")
    project: Annotated[str, Env("GOOGLE_CLOUD_PROJECT")] = setting(
        "", "The id of the project for sessions that name none.", pattern=rf"^(?:{PROJECT})?$"
    )
    location: Annotated[str, Env("GOOGLE_CLOUD_LOCATION")] = setting(
        "global",
        "The location for sessions that name none: global, us, eu, or a region such as europe-west4.",
        pattern=rf"^(?:{LOCATION})$",
    )
    test_model: str = setting("gemini-2.5-flash", "A Google model; a free token count tests the login.", min_length=1)
    enabled_flows: Annotated[Names, one_of("metadata")] = setting(
        (),
        "Restricted ways to sign in that are turned on, comma-separated: metadata. Every user who may connect "
        "sessions here then acts as this machine's service account.",
    )
    oauth: OAuthConfig = setting(OAuthConfig(), "Where tokens come from.")
