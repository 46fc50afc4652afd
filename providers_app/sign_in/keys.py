"""Makes the credential of a session without a sign-in, and tests credentials."""

import re
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

import msgspec

from providers_app import conf, errors, ports
from providers_app.behaviours import addresses
from providers_app.behaviours import keys as key_text
from providers_app.dispatch import clients
from providers_app.dispatch.credentials import client_of, client_of_credential
from providers_app.dispatch.faults import deadline, faults_of
from providers_app.listing import models as catalogue
from providers_app.loop import on_provider_loop
from providers_app.ownership import acting
from providers_app.ports import Owner, Session
from providers_app.registry import options
from providers_app.registry.resolver import require_auth_type, resolve
from providers_app.text import quoted
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account, AuthType, ProviderInfo
from providers_app.types.credentials import Credential, Secret
from providers_app.wire.guard import check_url

_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|messages|embeddings|models)$")
"""The end of an address that was copied with the path of one endpoint."""


def make_credential(
    provider: str,
    auth_type: AuthType,
    api_key: str | Secret | None,
    base_url: str | None,
    settings: Mapping[str, str] | None,
    allowed_pairs: Collection[str] = (),
) -> Credential:
    """Return a credential whose parts are checked, without asking the provider.

    ``allowed_pairs`` are the private ``host:port`` pairs that the owner allowed.
    Raises ``UnknownProvider``, ``ProviderBroken``, ``UnsupportedOperation``, ``InvalidCredential``, ``InvalidOption``,
    ``InvalidRequest``, ``AddressRefused``.
    """
    card = require_auth_type(provider, auth_type)
    if auth_type == "oauth":
        resolve(provider, "oauth")
        what = f"A session of {card.name} with OAuth begins with a sign-in."
        raise errors.UnsupportedOperation(what, hint="Use begin_login.")
    base_url, settings = options.copied(card, base_url, settings)
    chosen = options.checked(card, auth_type, settings)
    secret, removed = checked_key(card, auth_type, api_key)
    address, shortened = checked_address(card, base_url, chosen, allowed_pairs)
    advice = removed + shortened
    return Credential(auth_type=auth_type, secret=secret, base_url=address, settings=chosen, advice=advice)


def advice_on(provider: str, credential: Credential) -> tuple[Advice, ...]:
    """Return the changes to what was given, and what is doubtful about the key's format; the key is not in it."""
    key = credential.secret.reveal()
    if not key or credential.auth_type != "api_key":
        return credential.advice
    return credential.advice + tuple(
        msgspec.structs.replace(item, what=item.what.replace(key, "***"), why=item.why.replace(key, "***"))
        for item in resolve(provider, "api_key").validate(key)
    )


async def run_test(owner: Owner, session: Session, credential: Credential) -> Account:
    """Test a session with one cheap authenticated request and record the outcome. Raises ``UpstreamError``."""
    store = ports.session_store()
    asked = session  # a refresh on the way gives the session another generation, to which the outcome belongs

    async def ask(found: Session, signed_with: Credential) -> Account:
        nonlocal asked
        asked = found
        if signed_with.auth_type == "none":
            return Account(models=len(await catalogue.fetch_now(found, signed_with)))
        return await _test(found.provider, found.owner, signed_with)

    try:
        async with _deadline():
            account = await client_of(owner, session, credential).call(ask)
    except (errors.UpstreamError, errors.AddressRefused) as error:
        await store.record_test(asked, error)
        raise
    await store.record_test(asked, None)
    return account


@on_provider_loop
async def try_credential(provider: str, credential: Credential, *, owner: Owner | None = None) -> Account:
    """Test a credential, stored or not, on behalf of ``owner``, without refreshing it. Raises ``UpstreamError``."""
    if not isinstance(credential, Credential):
        raise errors.InvalidCredential(f"{quoted(credential)} is no credential.")
    who = owner if owner is not None else acting()
    client = client_of_credential(who, provider, credential)
    async with _deadline():
        return await client.attempt(partial(_test, provider, who))


def _deadline() -> AbstractAsyncContextManager[None]:
    seconds = conf.current().lookup_timeout_s
    return deadline(seconds, errors.UpstreamTimeout(f"The provider did not answer within {seconds:g} s."))


async def _test(provider: str, owner: Owner | None, credential: Credential) -> Account:
    http, kind = clients.http_for(provider, owner, credential), credential.auth_type
    with faults_of(provider):
        if kind == "none":
            return Account(models=len(await resolve(provider, "models").list(credential, http)))
        tested = resolve(provider, "oauth") if kind == "oauth" else resolve(provider, "api_key")
        return await tested.test(credential, http)


def checked_key(
    card: ProviderInfo, auth_type: AuthType, given: str | Secret | None
) -> tuple[Secret, tuple[Advice, ...]]:
    """Return the key in what was pasted or read, and advice on what was removed from around it.

    Raises ``InvalidCredential``: none where one is needed or the reverse, a placeholder, characters that no key has.
    """
    text = given.reveal() if isinstance(given, Secret) else (given or "")
    if not isinstance(text, str):
        raise errors.InvalidCredential("The key must be a string.")
    key, removed = key_text.bare(text)
    if auth_type == "none":
        if key:
            what = f"{card.name} takes no key with the auth type 'none'."
            raise errors.InvalidCredential(what, hint="Leave the key out.")
        return Secret(""), ()
    hint = f"Its keys look like {card.key_hint}." if card.key_hint else ""
    if not key:
        raise errors.InvalidCredential(f"{card.name} needs a key.", hint=hint)
    found = [advice.message for advice in resolve(card.slug, "api_key").validate(key) if advice.level == "error"]
    if problem := next(filter(None, (*found, key_text.problem_of(key))), ""):
        # A provider package may quote what it was given.
        raise errors.InvalidCredential(problem.replace(key, "***"), hint=hint)
    what = f"Removed from the key: {', '.join(removed)}."
    advice = Advice(level="warning", field="api_key", what=what, code="key_cleaned")
    return Secret(key), (advice,) if removed else ()


def checked_address(
    card: ProviderInfo, base_url: str | None, chosen: Mapping[str, str], allowed_pairs: Collection[str]
) -> tuple[str | None, tuple[Advice, ...]]:
    """Return a session's address (``None``: the provider's own), without an endpoint's path, and advice on that.

    Raises ``InvalidRequest``, ``AddressRefused``.
    """
    if base_url and not isinstance(base_url, str):
        raise errors.InvalidRequest("The base URL must be a string.")
    base_url = options.address(card, base_url, chosen)
    if not base_url:
        if addresses.required(card):
            raise errors.InvalidRequest(
                f"{card.name} needs a base URL.", hint="Give an address such as https://host/v1."
            )
        return None, ()
    if not (card.base_url_editable or card.base_url_required):
        what = f"{card.name} has one address, which cannot be changed."
        raise errors.InvalidRequest(what, hint="Leave the base URL out.")
    found = check_url(base_url, conf.current().allowed_private_hosts, allowed_pairs)
    # Where a copied address is read for its options, the provider's package reads its path as well.
    short = found if card.address_options else _ENDPOINT.sub("", found)
    what = f"Removed from the base URL: {found.removeprefix(short)}."
    advice = Advice(level="warning", field="base_url", what=what, code="address_shortened")
    return short, (advice,) if short != found else ()
