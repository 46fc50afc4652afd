"""The meaning of Entra's error codes, matched by number, never by text, which Entra rewords and translates.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import msgspec

from providers_app.errors import AuthenticationFailed, BadRequest, PermissionDenied, TokenRefused, UpstreamError

_RENEWAL = (
    "Make a new one in the Azure portal (App registrations, Certificates & secrets), copy the column Value, and sign "
    "in again."
)
_TENANT = "Copy the directory (tenant) ID from the application's overview in the Azure portal."
_SCOPE = "An administrator can change the scope in the settings."


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """The class and text of an error; ``TokenRefused`` is final: only a person can help."""

    kind: type[UpstreamError]
    what: str
    hint: str


MEANINGS: dict[str, Meaning] = {
    "AADSTS7000215": Meaning(
        kind=TokenRefused,
        what="Entra does not accept the client secret",
        hint=f"Often the secret's ID was copied instead of its value. {_RENEWAL}",
    ),
    "AADSTS7000222": Meaning(kind=TokenRefused, what="The client secret has expired", hint=_RENEWAL),
    "AADSTS700016": Meaning(
        kind=TokenRefused,
        what="Entra knows no application with this client ID in this tenant",
        hint="Copy the application (client) ID and the directory (tenant) ID from the same application's overview.",
    ),
    "AADSTS90002": Meaning(kind=TokenRefused, what="Entra knows no such tenant", hint=_TENANT),
    "AADSTS900023": Meaning(kind=TokenRefused, what="Entra cannot read the name of the tenant", hint=_TENANT),
    "AADSTS7000112": Meaning(
        kind=TokenRefused,
        what="The application is disabled in its tenant",
        hint="An administrator of the tenant can enable it (Enterprise applications, Properties).",
    ),
    "AADSTS700027": Meaning(
        kind=TokenRefused,
        what="Entra does not know the certificate, or its signature is wrong",
        hint="Upload the certificate at the application (Certificates & secrets), then sign in with it and its key.",
    ),
    "AADSTS700024": Meaning(
        kind=AuthenticationFailed,
        what="Entra finds our signed statement outside its time",
        hint="Set the clock of this machine. Maestro then tries again.",
    ),
    "AADSTS70011": Meaning(kind=BadRequest, what="Entra does not know the scope", hint=_SCOPE),
    "AADSTS1002012": Meaning(kind=BadRequest, what="The scope must end with /.default", hint=_SCOPE),
    "AADSTS500011": Meaning(
        kind=BadRequest, what="The tenant does not know the service that the scope is for", hint=_SCOPE
    ),
    "AADSTS53003": Meaning(
        kind=PermissionDenied,
        what="A conditional access policy of the tenant forbids this",
        hint="Ask an administrator of the tenant; the policy may allow certain addresses only.",
    ),
}
TERMINAL = frozenset(code for code, meaning in MEANINGS.items() if meaning.kind is TokenRefused)


def explained(error: UpstreamError) -> UpstreamError:
    """Return the error with an explanation, where its code is known."""
    meaning = MEANINGS.get(error.upstream_code or "")
    if meaning is None:
        return error
    return meaning.kind(
        f"{meaning.what} ({error.upstream_code}).",
        hint=meaning.hint,
        status=error.status,
        type=error.type,
        upstream_code=error.upstream_code,
        retry_after=error.retry_after,
    )
