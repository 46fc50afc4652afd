"""The meaning of Entra's error codes, matched by number, never by text, which Entra rewords and translates.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from providers_app.errors import AuthenticationFailed, BadRequest, PermissionDenied, TokenRefused, UpstreamError
from providers_app.wire.status import recast

_RENEWAL = (
    "Make a new one in the Azure portal (App registrations, Certificates & secrets), copy the column Value, and sign "
    "in again."
)
_TENANT = "Copy the directory (tenant) ID from the application's overview in the Azure portal."
_SCOPE = "An administrator can change the scope in the settings."

_FINAL = {
    "AADSTS7000215": (
        "Entra does not accept the client secret",
        f"Often the secret's ID was copied instead of its value. {_RENEWAL}",
    ),
    "AADSTS7000222": ("The client secret has expired", _RENEWAL),
    "AADSTS700016": (
        "Entra knows no application with this client ID in this tenant",
        "Copy the application (client) ID and the directory (tenant) ID from the same application's overview.",
    ),
    "AADSTS90002": ("Entra knows no such tenant", _TENANT),
    "AADSTS900023": ("Entra cannot read the name of the tenant", _TENANT),
    "AADSTS7000112": (
        "The application is disabled in its tenant",
        "An administrator of the tenant can enable it (Enterprise applications, Properties).",
    ),
    "AADSTS700027": (
        "Entra does not know the certificate, or its signature is wrong",
        "Upload the certificate at the application (Certificates & secrets), then sign in with it and its key.",
    ),
}
TERMINAL = frozenset(_FINAL)
"""The codes after which only a person can help."""
MEANINGS: dict[str, tuple[type[UpstreamError], str, str]] = {
    **{code: (TokenRefused, *meaning) for code, meaning in _FINAL.items()},
    "AADSTS700024": (
        AuthenticationFailed,
        "Entra finds our signed statement outside its time",
        "Set the clock of this machine. Maestro then tries again.",
    ),
    "AADSTS70011": (BadRequest, "Entra does not know the scope", _SCOPE),
    "AADSTS1002012": (BadRequest, "The scope must end with /.default", _SCOPE),
    "AADSTS500011": (BadRequest, "The tenant does not know the service that the scope is for", _SCOPE),
    "AADSTS53003": (
        PermissionDenied,
        "A conditional access policy of the tenant forbids this",
        "Ask an administrator of the tenant; the policy may allow certain addresses only.",
    ),
}
"""The class, text and hint of an error by its code."""


def explained(error: UpstreamError) -> UpstreamError:
    """Return the error with an explanation, where its code is known."""
    if error.upstream_code not in MEANINGS:
        return error
    kind, what, hint = MEANINGS[error.upstream_code]
    return recast(error, kind, hint, f"{what} ({error.upstream_code}).")
