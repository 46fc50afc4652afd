"""A request that is about to be sent over a session: made fit, or refused; and what goes along with its answer."""

from providers_app.advice import practice
from providers_app.advice.fitting import fit, refuse
from providers_app.advice.sources import facts_of, rules_of
from providers_app.advice.validation import merged, of_login
from providers_app.ports import Session
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential


def fitted(session: Session, credential: Credential, chat: ChatRequest) -> tuple[ChatRequest, tuple[Advice, ...]]:
    """The request as it is built, and what was left out of it, changed in it by its login, or is doubtful about it.

    Hints are left to those who ask for them (``validate_parameters``), but for what the login says.

    Raises ``InvalidParameter`` for what cannot be sent, ``UnsupportedParameter`` where a ``strict`` request would be
    changed, and as the provider's behaviours do.
    """
    rules = rules_of(session.provider, chat.model, credential)
    facts = facts_of(session.provider, rules, credential, session.name)
    fit_chat, found = fit(chat, rules, facts)
    refuse(found)
    said = merged(found, of_login(session.provider, fit_chat, credential))
    refuse(said, strict=chat.strict)
    doubts = (item for item in practice.advise(fit_chat, rules, facts) if item.level == "warning")
    return fit_chat, merged(said, doubts)
