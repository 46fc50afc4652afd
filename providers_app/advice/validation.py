"""All that can be said of parameters before anything is sent, for a caller that sends nothing. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers_app.advice import practice, values
from providers_app.advice.fitting import fit, merged, of_login
from providers_app.advice.sources import Rules, facts_of, plain_credential, rules_of
from providers_app.model_data.facts import host_of
from providers_app.model_data.library import library
from providers_app.registry.resolver import spoken
from providers_app.text import quoted
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatParams, ChatRequest, Message, Tool, ToolChoice
from providers_app.types.credentials import Credential

ORDER = {"error": 0, "warning": 1, "hint": 2}


def validate(
    slug: str,
    model: str,
    params: Mapping[str, Any],
    *,
    tools: tuple[Tool, ...] = (),
    tool_choice: ToolChoice | None = None,
    messages: tuple[Message, ...] = (),
    credential: Credential | None = None,
    session: str = "",
    known: ModelInfo | None = None,
) -> list[Advice]:
    """Advice about ``params`` under the names that the caller gave them, errors first.

    ``credential`` (its secret is not looked at) says of which kind of login and with which settings; without one, the
    provider's own settings hold. ``session`` is the session's name, for figures that are configured for it. ``known``
    is what a list of models says of the model, where no file knows it. A parameter that is wrong by itself is not
    looked at further.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``ProviderBroken``.
    """
    found = values.check(params)
    wrong = {item.field for item in found}
    given = {values.ALIASES.get(name, name): name for name in params if name not in wrong}
    sound = values.canonical({name: value for name, value in params.items() if name not in wrong})
    chat = ChatRequest(
        model=model,
        messages=messages,
        tools=tools,
        tool_choice=tool_choice or ToolChoice(),
        params=ChatParams(**sound),
    )
    signed = credential or plain_credential(slug)
    rules = rules_of(slug, model, signed, spoken(slug, model, signed))
    facts = facts_of(slug, rules, signed, session)
    found += examine(slug, chat, rules, signed, facts, known)
    found += _unknown(slug, rules, facts or known, signed)
    named = (msgspec.structs.replace(item, field=given.get(item.field, item.field)) for item in found)
    return sorted(named, key=lambda item: ORDER[item.level])


def _unknown(slug: str, rules: Rules, facts: ModelInfo | None, credential: Credential) -> Iterator[Advice]:
    """A name that nothing is known of, at a provider whose models are known."""
    index = library.index(slug, host_of(credential))
    if facts is not None or index.is_open:
        return
    close = difflib.get_close_matches(rules.model.lower(), index.models, n=1, cutoff=0.6)
    what = f"Nothing is known of the model {quoted(rules.model)}."
    why = "It is asked all the same; its limits and abilities are not checked."
    nearest = close[0] if close else None
    yield Advice(level="warning", field="model", what=what, why=why, nearest=nearest, code="unknown_model")


def examine(
    slug: str,
    chat: ChatRequest,
    rules: Rules,
    credential: Credential,
    facts: ModelInfo | None,
    known: ModelInfo | None = None,
) -> tuple[Advice, ...]:
    """What ``fit`` says of a request, what its login says of the rest, and what could be better.

    What is left out depends on ``facts`` alone, which are the same whoever was asked for models lately.
    """
    fitted, found = fit(chat, rules, facts)
    return merged(found, of_login(slug, fitted, credential, found), practice.advise(fitted, rules, facts or known))
