"""Answers that a provider goes on with although they have no reader any more."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from providers_app import errors, loop
from providers_app.dispatch import clients, notes
from providers_app.dispatch.continued import Continued
from providers_app.dispatch.credentials import SessionClient
from providers_app.dispatch.incoming import Incoming
from providers_app.registry.resolver import authorizer, resolve
from providers_app.types.credentials import Credential

CANCEL_S = 5.0
"""Seconds that cancelling an answer at the provider may take."""
left_running: ContextVar[Callable[[], bool]] = ContextVar("left_running", default=lambda: False)
"""Says whether an answer that is left now is to be finished by the provider, so that it can be read again later."""


def cancel(answer: Incoming | None, rounds: Continued | None = None) -> None:
    """Cancel an answer at the provider that goes on there without a reader, unless it is left running."""
    if left_running.get()():
        return
    kept = None if answer is None else answer.reader.kept()
    if kept is None and rounds is not None and rounds.resuming:
        answer, kept = rounds.answer, rounds.reading
    if answer is not None and kept is not None:
        loop.spawn(_cancel(answer.client, kept.answer.response_id or ""), name="cancel an answer", lasting_s=CANCEL_S)


async def _cancel(client: SessionClient, response_id: str) -> None:
    async def send(credential: Credential) -> None:
        session = client.session
        behaviour: Any = resolve(session.provider, "streaming")  # resumable, or there would be no response to cancel
        built = behaviour.cancel(response_id, credential)
        request = authorizer(session.provider, credential.auth_type)(credential, built)
        http = clients.http_for(session.provider, session.owner, credential)
        await http.send(request, timeout=CANCEL_S)

    try:
        await client.attempt(send)
    except errors.ProviderError as error:
        notes.logger.warning("an answer without a reader could not be cancelled: %s", error.code)
