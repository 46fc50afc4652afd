"""How many tokens a request has: asked from the provider where it counts, estimated otherwise."""

from providers_app import clients, conf
from providers_app.errors import NotFound, UnknownModel
from providers_app.estimates import estimate
from providers_app.ports import Session
from providers_app.resolver import authorizer, resolve, supports
from providers_app.types.catalogue import TokenCount
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential


async def count(session: Session, credential: Credential, chat: ChatRequest) -> TokenCount:
    """The provider's own count; an estimate where it has no such endpoint. Raises ``UpstreamError``."""
    if not supports(session.provider, "counting"):
        return TokenCount(estimate(chat), "estimated")
    counter = resolve(session.provider, "counting")
    request = authorizer(session.provider, credential.auth_type)(credential, counter.build(chat, credential))
    answer = await clients.http().send(request, timeout=conf.current().lookup_timeout_s)
    if 200 <= answer.status < 300:
        return TokenCount(counter.parse(answer.body), "provider")
    error = resolve(session.provider, "streaming").dialect.error(answer.status, answer.headers, answer.body)
    if isinstance(error, NotFound) and not isinstance(error, UnknownModel) and credential.base_url is not None:
        return TokenCount(estimate(chat), "estimated")  # a compatible server without the endpoint
    raise error
