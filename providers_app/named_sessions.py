"""The functions of the universal interface that are about stored sessions; see ``provider``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app import ports
from providers_app.dispatch import prepare
from providers_app.loop import on_provider_loop
from providers_app.ownership import find_owner
from providers_app.ports import Session
from providers_app.registry.resolver import lookup
from providers_app.sign_in import keys
from providers_app.types.catalogue import Account, AuthType
from providers_app.types.credentials import Secret


@on_provider_loop
async def create_session(
    provider: str,
    auth_type: AuthType,
    *,
    name: str,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    settings: Mapping[str, str] | None = None,
    owner: Any = None,
) -> Session:
    """Store a named login. The key's format and the address are checked, and ``Session.advice`` has what is doubtful.

    The provider is not asked; ``test_session`` does that.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``InvalidName``, ``DuplicateSession``, ``InvalidCredential``,
    ``InvalidRequest``, ``AddressRefused``, ``OwnerRequired``, ``NotConfigured``.
    """
    allowed = await ports.allowed_pairs() if base_url or settings else ()
    credential = keys.make_credential(provider, auth_type, api_key, base_url, settings, allowed)
    made = await ports.session_store().create(await find_owner(owner), provider, auth_type, name, credential)
    return msgspec.structs.replace(made, advice=keys.advice_on(provider, credential))


@on_provider_loop
async def delete_session(provider: str, auth_type: AuthType | None, name: str, *, owner: Any = None) -> None:
    """Destroy a session and its credential. Raises ``UnknownSession``, ``AmbiguousSession``, ``OwnerRequired``."""
    found = await find_owner(owner)
    store = ports.session_store()
    session, _ = await lookup(found, provider, name, auth_type)
    await store.delete(found, session.id)


@on_provider_loop
async def test_session(provider: str, auth_type: AuthType | None, name: str, *, owner: Any = None) -> Account:
    """Test the login with one cheap authenticated request; the session records the result. Raises ``UpstreamError``."""
    found = await find_owner(owner)
    return await keys.run_test(found, *await prepare.find(found, provider, name, auth_type))
