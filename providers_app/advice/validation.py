"""All advice about a request, for a caller that sends nothing, and advice as HTTP headers."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from providers_app.advice import values
from providers_app.advice.draft import Rules, plain_credential, rules_of
from providers_app.advice.fitting import login_advice, merged, plan_of, run
from providers_app.model_data.library import host_of, library
from providers_app.registry.resolver import spoken
from providers_app.text import quoted
from providers_app.types.advice import Advice, Level
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatParams, ChatRequest, Message, Tool, ToolChoice
from providers_app.types.credentials import Credential

ORDER = {"error": 0, "warning": 1, "hint": 2}
LONGEST = 1024
"""Characters of one header's value."""
MOST = 8
"""Findings that are spelt out; ``X-Maestro-Advice-Count`` counts them all."""
NAMES: dict[Level, str] = {"error": "x-maestro-errors", "warning": "x-maestro-warnings", "hint": "x-maestro-hints"}
_UNSAFE = re.compile(r"[^\x20-\x7e]+")


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


def advice_headers(advice: Iterable[Advice]) -> dict[str, str]:
    """Return one header per level that occurs, as ``code field: text | ...``, and the count of all findings."""
    found = tuple(item for item in advice if not item.source)  # a note for each chunk is too much for headers
    headers: dict[str, str] = {}
    for level, name in NAMES.items():
        if said := [_text(item) for item in found if item.level == level][:MOST]:
            headers[name] = _cut(" | ".join(said))
    return {**headers, "x-maestro-advice-count": str(len(found))} if found else {}


def _text(item: Advice) -> str:
    what = f"{item.field}: {item.message}" if item.field else item.message
    # The bar is what separates findings, so none of them has one of its own.
    return _UNSAFE.sub("?", f"{item.code or 'advice'} {what}").replace("|", "/").strip()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3].rstrip() + "..."
