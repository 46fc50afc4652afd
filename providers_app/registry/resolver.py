"""(provider, operation) -> behaviour, the authorisation of an auth type, and the stored session that a caller names."""

from collections.abc import Callable
from typing import Any, Literal, overload

from providers_app import ports
from providers_app.behaviours import protocols
from providers_app.behaviours.contract import violations
from providers_app.behaviours.oauth import OAuth
from providers_app.behaviours.protocols import Unsupported
from providers_app.errors import InvalidRequest, ProviderBroken, UnknownSession, UnsupportedOperation
from providers_app.ports import Owner, Session
from providers_app.registry.discovery import registry
from providers_app.text import nearest, quoted
from providers_app.types.catalogue import AuthType, ProviderInfo
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest

Operation = Literal["oauth", "api_key", "streaming", "models", "counting", "imports", "rules"]

PROTOCOLS: dict[str, type] = {
    "oauth": OAuth,
    "api_key": protocols.ApiKey,
    "streaming": protocols.Streaming,
    "models": protocols.Models,
    "counting": protocols.Counting,
    "imports": protocols.Imports,
    "rules": protocols.Rules,
}
"""The Protocol of the ``BEHAVIOUR`` of each module."""
OPTIONAL = {
    "counting": "it has no way to count tokens before sending.",
    "imports": "it reads no files of other programs.",
    "rules": "its models take whatever its wire format takes.",
}
"""The modules that a package may leave out, and what that means."""


@overload
def resolve(slug: str, operation: Literal["oauth"]) -> OAuth: ...
@overload
def resolve(slug: str, operation: Literal["api_key"]) -> protocols.ApiKey: ...
@overload
def resolve(slug: str, operation: Literal["streaming"]) -> protocols.Streaming: ...
@overload
def resolve(slug: str, operation: Literal["models"]) -> protocols.Models: ...
@overload
def resolve(slug: str, operation: Literal["counting"]) -> protocols.Counting: ...
@overload
def resolve(slug: str, operation: Literal["imports"]) -> protocols.Imports: ...
@overload
def resolve(slug: str, operation: Literal["rules"]) -> protocols.Rules: ...
def resolve(slug: str, operation: Operation) -> Any:
    """Return the behaviour of a provider: ``resolve("anthropic", "streaming")``.

    Raises ``UnknownProvider`` with the nearest name, ``UnsupportedOperation`` with the provider's own reason, and
    ``ProviderBroken`` when the package does not load or its behaviour has not the shape that the Protocol asks for.
    """
    if operation not in PROTOCOLS:
        name, known = registry.card(slug).name, nearest(operation, PROTOCOLS)
        raise UnsupportedOperation(f"{name} has no operation {quoted(operation)}.", hint=known)
    behaviour = registry.cached(slug, operation)
    if behaviour is None:
        behaviour = _load(slug, operation)
        registry.remember(slug, operation, behaviour)
    if isinstance(behaviour, Unsupported):
        name = registry.card(slug).name
        raise UnsupportedOperation(f"{name} does not support {operation}: {behaviour.reason}")
    return behaviour


def supports(slug: str, operation: Operation) -> bool:
    """Return whether the provider has this behaviour; a broken provider has none. Raises ``UnknownProvider``."""
    try:
        resolve(slug, operation)
    except (UnsupportedOperation, ProviderBroken):
        return False
    return True


def spoken(slug: str, model: str, credential: Credential) -> Dialect:
    """Return the dialect in which the provider answers a request for ``model``. Raises as ``resolve`` does."""
    behaviour = resolve(slug, "streaming")
    chosen: Callable[[str, Credential], Dialect] | None = getattr(behaviour, "dialect_of", None)
    return behaviour.dialect if chosen is None else chosen(model, credential)


def authorizer(slug: str, auth_type: AuthType) -> Callable[[Credential, HttpRequest], HttpRequest]:
    """Return the function that signs requests of this auth type; ``none`` signs nothing.

    Raises ``UnsupportedOperation`` when the provider has no such auth type.
    """
    require_auth_type(slug, auth_type)
    if auth_type == "none":
        return lambda credential, request: request
    return resolve(slug, "oauth").authorize if auth_type == "oauth" else resolve(slug, "api_key").authorize


def require_auth_type(slug: str, auth_type: str) -> ProviderInfo:
    """Return the provider's card. Raises ``UnknownProvider``, ``UnsupportedOperation`` without such an auth type."""
    card = registry.card(slug)
    if auth_type not in card.auth_types:
        known = ", ".join(card.auth_types)
        raise UnsupportedOperation(f"{card.name} has no auth type {quoted(auth_type)}.", hint=f"It has: {known}.")
    return card


async def lookup(
    owner: Owner, provider: str | None, session: str, auth_type: str | None = None, *, after: int = -1
) -> tuple[Session, Credential]:
    """Return the session that is named, whatever its state, and its credential, also after its provider was removed.

    Raises as the store does, ``InvalidRequest`` without a name, and where there is no such session
    ``UnknownProvider``, and ``UnsupportedOperation`` for an auth type that the provider does not have.
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


def _load(slug: str, operation: Operation) -> Any:
    if operation in OPTIONAL and not registry.has_part(slug, operation):
        return Unsupported(OPTIONAL[operation])
    registry.card(slug)
    module = registry.load(slug, operation)
    if not hasattr(module, "BEHAVIOUR"):
        raise registry.broken(slug, f"{module.__name__} defines no BEHAVIOUR.")
    behaviour = module.BEHAVIOUR
    if not isinstance(behaviour, Unsupported):
        wrong = violations(behaviour, PROTOCOLS[operation])
        if operation == "streaming" and hasattr(behaviour, "dialect_of"):
            wrong += violations(behaviour, protocols.SeveralDialects)
        if wrong:
            raise registry.broken(slug, f"{module.__name__}.BEHAVIOUR {wrong[0].message}.")
    return behaviour
