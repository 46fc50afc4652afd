"""Find the stored session that a caller names, and say what is wrong with a name that finds none."""

from providers_app import ports
from providers_app.errors import InvalidRequest, UnknownSession
from providers_app.ports import Owner, Session
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import require_auth_type
from providers_app.text import quoted
from providers_app.types.credentials import Credential


async def lookup(
    owner: Owner, provider: str | None, session: str, auth_type: str | None = None, *, after: int = -1
) -> tuple[Session, Credential]:
    """Return the session that is named, whatever its state, and its credential.

    Raises as the store does, ``InvalidRequest`` without a name, and ``UnknownProvider`` for a provider that is not
    installed and has no such session, ``UnsupportedOperation`` for an auth type that it does not have. A session that
    was stored before its provider was removed is found.
    """
    if not isinstance(session, str) or not session.strip():
        raise InvalidRequest("No session is named.", hint="Pass its name, its id, or auth_type:name.")
    if provider is not None and not isinstance(provider, str):
        registry.package(provider)
    if auth_type is not None and not isinstance(auth_type, str):
        raise InvalidRequest(f"auth_type must be a string, not {quoted(auth_type)}.")
    try:
        return await ports.session_store().lookup(owner, provider, session, auth_type, after=after)
    except UnknownSession:
        if provider is not None:
            registry.package(provider)
            if auth_type is not None:
                require_auth_type(provider, auth_type)
        raise
