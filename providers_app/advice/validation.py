"""All that can be said of a request before anything is sent, for a caller that sends nothing."""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.advice import values
from providers_app.advice.fitting import login_advice, merged, plan_of, run
from providers_app.advice.rules import Rules, plain_credential, rules_of
from providers_app.model_data.library import host_of, library
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
    """Return advice about ``params`` under the names that the caller gave them, errors first.

    ``credential`` (its secret is not used) says of which kind the login is and with which settings; without one, the
    provider's own settings hold. ``session`` is the session's name, for figures that are configured for it. ``known``
    is what a list of models says of the model, where no file knows it. A parameter that is wrong by itself is not
    checked further.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``ProviderBroken``.
    """
    wrong = values.check(params)
    sound = {name: value for name, value in params.items() if name not in {item.field for item in wrong}}
    chat = ChatRequest(
        model=model,
        messages=messages,
        tools=tools,
        tool_choice=tool_choice or ToolChoice(),
        params=ChatParams(**values.canonical(sound)),
    )
    signed = credential or plain_credential(slug)
    rules = rules_of(slug, model, signed, spoken(slug, model, signed), session=session, listed=known)
    draft = run(plan_of(rules), chat)
    refused = any(item.level == "error" for item in draft.found)
    login = () if refused else login_advice(slug, draft.finished(), signed)
    given = {values.ALIASES.get(name, name): name for name in sound}
    found = merged(wrong, draft.found, login, _unknown_model(slug, rules, signed))
    named = (msgspec.structs.replace(item, field=given.get(item.field, item.field)) for item in found)
    return sorted(named, key=lambda item: ORDER[item.level])


def _unknown_model(slug: str, rules: Rules, credential: Credential) -> list[Advice]:
    """Return a warning for a model that nothing is known of, at a provider whose models are known."""
    index = library.index(slug, host_of(credential.base_url))
    if rules.facts or rules.listed or index.is_open:
        return []
    nearest = next(iter(difflib.get_close_matches(rules.model.lower(), index.models, n=1, cutoff=0.6)), None)
    what = f"Nothing is known of the model {quoted(rules.model)}."
    why = "It is asked all the same; its limits and abilities are not checked."
    return [Advice(level="warning", field="model", what=what, why=why, nearest=nearest, code="unknown_model")]
