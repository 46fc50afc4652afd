"""How many tokens a request has: asked from the provider where it counts, estimated otherwise."""

import msgspec

from providers_app.behaviours.asking import ask
from providers_app.chat.estimates import estimate
from providers_app.dispatch import clients
from providers_app.dispatch.faults import faults_of
from providers_app.errors import NotFound, UnknownModel, UnsupportedOperation
from providers_app.ports import Session
from providers_app.registry.resolver import authorizer, resolve, spoken, supports
from providers_app.types.catalogue import TokenCount
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.origin import Origin


async def count(session: Session, credential: Credential, chat: ChatRequest) -> TokenCount:
    """The provider's own count; an estimate where it has no such endpoint. Raises ``UpstreamError``."""
    if not supports(session.provider, "counting"):
        with faults_of(session.provider, chat):
            return TokenCount(estimate(chat), "estimated")
    counter = resolve(session.provider, "counting")
    with faults_of(session.provider, chat):
        chat = msgspec.structs.replace(chat, asked=Origin(session.provider, chat.model, session.id))
        try:
            built = counter.build(chat, credential)
        except UnsupportedOperation:
            return TokenCount(estimate(chat), "estimated")  # this kind of login has no such endpoint
        request = authorizer(session.provider, credential.auth_type)(credential, built)
        try:
            answer = await ask(
                request,
                clients.http_for(session.provider, session.owner, credential),
                spoken(session.provider, chat.model, credential),
            )
        except NotFound as error:
            if isinstance(error, UnknownModel) or credential.base_url is None:
                raise
            return TokenCount(estimate(chat), "estimated")  # a compatible server without the endpoint
        return TokenCount(counter.parse(answer.body), "provider")
