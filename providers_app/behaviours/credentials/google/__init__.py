"""Google's own kinds of credentials, for every provider that is reached with a token of Google.

    authority         where tokens are asked for, and for which scopes
    service_account   a key file: a signed statement becomes an access token, again and again
    authorized_user   a person's refresh token with its OAuth client (application-default credentials)

A pasted file is material, never a place to go: no address in it is followed (``token_uri``, ``credential_source``), so
that a prepared file cannot have secrets sent elsewhere.
"""

from providers_app.behaviours.credentials.google import authorized_user, service_account
from providers_app.behaviours.credentials.google.authority import Authority

__all__ = ["Authority", "authorized_user", "service_account"]
