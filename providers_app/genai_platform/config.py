"""Settings of the gateway. They are checked together: what is missing is named, all of it at once."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, SecretStr, model_validator

from providers_app.errors import AddressRefused, InvalidRequest
from providers_app.genai_platform import headers
from providers_app.setting_types import Env, Names, Settings, setting
from providers_app.wire.guard import check_url

PREFIX = "MAESTRO_GENAI_PLATFORM__"
PATH_VARIABLES = ("provider", "path", "project")
ANYWHERE = ("0.0.0.0/0", "::/0")
"""The operator's own gateway may well stand in a private network."""


def _secret_headers(value: Any) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    try:
        return {name: SecretStr(inner) for name, inner in headers.parse(text).items()}
    except ValueError:  # its message quotes, and where a secret is split wrongly, a part of it looks like a name
        raise ValueError("it is not of the form 'Name: value; Name: value', each name once") from None


Headers = Annotated[
    dict[str, str], BeforeValidator(lambda value: headers.parse(value) if isinstance(value, str) else value)
]
SecretHeaders = Annotated[dict[str, SecretStr], BeforeValidator(_secret_headers)]
TokenSource = Literal["none", "static", "client_credentials", "entra", "google", "azure_identity", "google_identity"]


class GenAIPlatformConfig(Settings):
    """``MAESTRO_GENAI_PLATFORM__...``: an enterprise gateway in front of the providers."""

    enabled: Annotated[bool, Env("GENAI_PLATFORM_ENABLED")] = setting(
        False, "Send the requests of providers through an enterprise gateway."
    )
    providers: Names = setting((), "The providers whose requests go through it, comma-separated; empty: all of them.")
    base_url: str = setting("", "Address of the gateway, for example https://genai.example.com/api.")
    path_template: str = setting(
        "{path}",
        "The path below the base URL: `{path}` is the provider's own path, `{provider}` its slug, "
        "`{project}` the project. For example `/{provider}{path}`.",
    )
    project: str = setting("", "What `{project}` stands for where a session names no project of its own.")
    session_project: bool = setting(
        False,
        "Let a session's own option `project` stand for `{project}`; without it, people do not choose "
        "whose project the gateway counts.",
    )
    headers: Headers = setting(
        {},
        "Headers for every request, `Name: value` separated by `;`. Values may name `{user.id}`, "
        "`{user.email}`, `{project}` and `{request.id}`.",
    )
    secret_headers: SecretHeaders = setting(
        {}, "The same for values that are secret (a subscription key); they are never shown."
    )
    token_source: TokenSource = setting(
        "none",
        "Where the gateway's own token comes from: `none`, `static` (the setting token), "
        "`client_credentials` (asked of token_url with client_id and client_secret), `entra` (the same at Microsoft "
        "Entra, with tenant), `google` (the setting service_account), `azure_identity` or `google_identity` (the "
        "identity that its cloud gave this machine).",
    )
    token: SecretStr = setting(SecretStr(""), "The token for `static`.")
    token_url: str = setting(
        "",
        "The token endpoint for `client_credentials`; for the other sources another address than their "
        "cloud's own (of Entra the authority, of an identity the metadata service).",
    )
    tenant: str = setting("", "The tenant for `entra`: a directory's ID or its domain.")
    client_id: str = setting("", "The client for `client_credentials` and `entra`.")
    client_secret: SecretStr = setting(SecretStr(""), "The secret of that client.")
    service_account: SecretStr = setting(SecretStr(""), "The JSON of a service account's key file for `google`.")
    scope: str = setting("", "The scope that is asked for; of an identity of Azure the resource. Empty: the usual.")
    identity_header: SecretStr = setting(
        SecretStr(""), "The value of X-IDENTITY-HEADER for `azure_identity` in App Service."
    )
    token_header: str = setting(
        "Authorization",
        "The header that carries the gateway's token. A provider's own header of that name is not sent: "
        "for most providers the default means that the session's key stays here.",
    )
    token_scheme: str = setting("Bearer", "What stands before the token in its header.")
    provider_credential: Literal["keep", "remove"] = setting(
        "keep",
        "Whether the session's own credential goes along (`keep`), or is taken out because the gateway has "
        "its own (`remove`).",
    )

    @model_validator(mode="after")
    def _complete(self) -> "GenAIPlatformConfig":
        if not self.enabled:
            return self
        if missing := [f"{PREFIX}{name.upper()}" for name in self._needed() if not getattr(self, name)]:
            raise ValueError(f"the gateway is enabled, but these settings are missing: {', '.join(missing)}")
        if reason := next(filter(None, self._problems()), ""):
            raise ValueError(reason)
        return self

    def _needed(self) -> tuple[str, ...]:
        needs: dict[str, tuple[str, ...]] = {
            "static": ("token",),
            "client_credentials": ("token_url", "client_id", "client_secret"),
            "entra": ("tenant", "client_id", "client_secret"),
            "google": ("service_account",),
        }
        token = (*needs.get(self.token_source, ()), "token_header") if self.token_source != "none" else ()  # noqa: S105
        named = any("{project}" in text for text in (self.path_template, *self.headers.values()))
        return ("base_url", "path_template", *token, *(("project",) if named else ()))

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong with values of which none is missing, or an empty text; secrets are not quoted."""
        for name in ("base_url", "token_url"):
            if (address := getattr(self, name)) and (reason := _address_problem(address)):
                yield f"{name}: {reason}"
        secret = {name: value.get_secret_value() for name, value in self.secret_headers.items()}
        yield from (headers.problem(name, value) for name, value in self.headers.items())
        if any(headers.problem(name, value) for name, value in secret.items() if "{" not in value):
            yield "secret_headers holds a name or a value that no header can have, or a header that Maestro writes"
        if any("{" in value for value in secret.values()):
            yield "a secret header is static: it holds no {variables}"
        if both := {name.lower() for name in self.headers} & {name.lower() for name in self.secret_headers}:
            yield f"the header {sorted(both)[0]!r} is given twice, once as a secret"
        if self.token_source != "none":  # noqa: S105
            yield headers.problem(self.token_header, self.token_scheme)
            if headers.problem(self.token_header, self.token.get_secret_value()):
                yield "the token holds a line break, a brace or something that is not plain ASCII"
        yield headers.unknown_variables(self.path_template, PATH_VARIABLES, "path_template")


def _address_problem(address: str) -> str:
    try:
        check_url(address, ANYWHERE)
    except (InvalidRequest, AddressRefused) as error:
        return error.message.replace("The base URL", "the address")
    return ""
