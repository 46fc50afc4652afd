"""From a session's name to the signed request, and from an answer's status to a typed error."""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers_app import conf, errors
from providers_app.advice.fitting import fitted, merged
from providers_app.dispatch.faults import faults_of
from providers_app.model_data.library import host_of, library
from providers_app.ports import Owner, Session
from providers_app.registry.resolver import authorizer, lookup, resolve, spoken
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.events import Origin
from providers_app.types.http import HttpRequest
from providers_app.wire.answer import HttpStream

ERROR_BODY = 64 * 1024
ERROR_BODY_S = 10.0


async def find(
    owner: Owner, provider: str | None, session: str, auth_type: str | None = None, *, after: int = -1
) -> tuple[Session, Credential]:
    """Return the owner's session and its credential, and load what files tell of its provider's models.

    Raises as the store does, ``SessionDisabled``, and where its key was dropped ``InvalidCredential``, ``NeedsReauth``.
    """
    found, credential = await lookup(owner, provider, session, auth_type, after=after)
    name = f"The session {found.name!r}"
    if found.status == "disabled":
        raise errors.SessionDisabled(f"{name} is disabled.")
    if credential.auth_type == "api_key" and not credential.secret:
        raise errors.InvalidCredential(f"{name} has no key.", hint="Give it one on the session's page.")
    if credential.auth_type == "oauth" and not credential.secret and found.expires_at is None:
        what = f"{name} is not signed in: {found.status_reason or 'its login is gone'}."
        raise errors.NeedsReauth(what, hint=errors.NeedsReauth.hint_at(found.page))
    await library.ready(found.provider, host_of(credential.base_url))  # what comes next is worked out on the loop
    return found, credential


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is sent, and the dialect of its answer; ``advice`` says what was changed or is doubtful."""

    session: Session
    credential: Credential
    dialect: Dialect
    request: HttpRequest
    advice: tuple[Advice, ...] = ()


def prepare(session: Session, credential: Credential, chat: ChatRequest) -> Prepared:
    """Make the signed request, byte for byte as it is sent; ``advice`` says what did not fit and was taken out.

    Raises ``InvalidParameter``, ``UnsupportedParameter``, and ``ContextTooLong`` over the configured size.
    """
    slug = session.provider
    chat = msgspec.structs.replace(chat, asked=Origin(slug, chat.model, session.id), notes=[])
    with faults_of(slug, chat):
        dialect = spoken(slug, chat.model, credential)
        chat, advice = fitted(session, credential, chat, dialect)
        streaming: Any = resolve(slug, "streaming")  # one that makes cursors is Resumable
        build = streaming.build if chat.cursor is None else streaming.resume
        request: HttpRequest = build(chat, credential)
        limit = conf.current().max_request_bytes
        if len(request.body) > limit:
            raise errors.ContextTooLong(f"The request has {len(request.body)} bytes; at most {limit} are sent.")
        request = authorizer(slug, credential.auth_type)(credential, request)
    found = merged(advice, chat.notes) if chat.notes else advice
    return Prepared(session=session, credential=credential, dialect=dialect, request=request, advice=found)


async def refusal(answer: HttpStream, dialect: Dialect, url: str) -> errors.ProviderError:
    """Return the typed error of an answer that is no success; its body is read within limits, redirects are named."""
    if 300 <= answer.status < 400:
        target = ""
        with suppress(ValueError):
            place = urlsplit(answer.headers.get("location", ""))
            target = f" to {place.scheme or urlsplit(url).scheme}://{place.hostname}" if place.hostname else ""
        message = f"The address answered with a redirect{target}; redirects are not followed."
        return errors.BadAnswer(message, status=answer.status)
    try:
        async with asyncio.timeout(ERROR_BODY_S):
            body = await answer.read(ERROR_BODY, cut=True)
    except (TimeoutError, errors.ProviderError):
        body = b""  # the status alone still says what happened
    return dialect.error(answer.status, answer.headers, body)
