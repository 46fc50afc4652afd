"""The readers of the table of checks: requests made fit to be sent, and all advice for callers that send nothing."""

import difflib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from providers_app import conf
from providers_app.advice import values
from providers_app.advice.checks import CHECKS
from providers_app.advice.draft import CHANGES, KINDS, Draft, Finding, Rules, plain_credential, rules_of
from providers_app.errors import InvalidParameter, UnsupportedParameter
from providers_app.model_data.library import RESCAN_S, host_of, library
from providers_app.ports import Session
from providers_app.registry.resolver import resolve, spoken
from providers_app.text import quoted
from providers_app.types.advice import Advice, Level
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatParams, ChatRequest, Message, Tool, ToolChoice
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect

MOST_PLANS = 1000
"""Plans that are kept; when there are more, all are made anew as they are needed."""
ORDER = {"error": 0, "warning": 1, "hint": 2}
LONGEST = 1024
"""Characters of one header's value."""
MOST = 8
"""Findings that are spelt out; ``X-Maestro-Advice-Count`` counts them all."""
NAMES: dict[Level, str] = {"error": "x-maestro-errors", "warning": "x-maestro-warnings", "hint": "x-maestro-hints"}
_UNSAFE = re.compile(r"[^\x20-\x7e]+")

Row = tuple[frozenset[str], Callable[[Draft], Iterator[Finding]]]


class Plan(NamedTuple):
    """Rules, and the checks that they leave to be made, each with the parameters that it is about."""

    rules: Rules
    rows: tuple[Row, ...]


class _Kept(NamedTuple):
    """A plan with everything that it depends on beside its key; ``until`` is on the monotonic clock."""

    plan: Plan
    dialect: Dialect
    settings: object
    generation: int
    until: float


_plans: dict[tuple[object, ...], _Kept] = {}


def fitted(
    session: Session, credential: Credential, chat: ChatRequest, dialect: Dialect
) -> tuple[ChatRequest, tuple[Advice, ...]]:
    """Return the request as it can be sent in ``dialect``, and the advice that goes along with its answer.

    The advice is what was left out or changed, also by the kind of login, and the warnings. Raises ``InvalidParameter``
    for what cannot be sent, ``UnsupportedParameter`` where a ``strict`` request would be changed, and as the provider's
    behaviours do.
    """
    draft = run(_plan_of(session, credential, chat.model, dialect), chat, hints=False)
    fit, found = draft.finished() if draft.changed else chat, tuple(draft.found)
    if credential.auth_type == "oauth":
        refuse(found)
        found = merged(found, login_advice(session.provider, fit, credential))
    if found:
        refuse(found, strict=chat.strict)
    return fit, found


def refuse(advice: Iterable[Advice], *, strict: bool = False) -> None:
    """Raise ``InvalidParameter`` for errors, and with ``strict`` ``UnsupportedParameter`` for every change."""
    found = tuple(advice)
    if wrong := tuple(item for item in found if item.level == "error"):
        raise InvalidParameter(wrong)
    if strict and (changes := tuple(item for item in found if item.code in CHANGES)):
        raise UnsupportedParameter(changes)


def plan_of(rules: Rules) -> Plan:
    """Return the checks that these rules leave to be made."""
    rows = ((frozenset(about(rules) if callable(about) else about), find) for about, find in CHECKS)
    return Plan(rules, tuple(row for row in rows if row[0]))


def run(plan: Plan, chat: ChatRequest, *, hints: bool = True) -> Draft:
    """Make every check of the plan; without ``hints``, those that change nothing are left out."""
    draft = Draft(chat, plan.rules)
    for about, find in plan.rows:
        if about.isdisjoint(draft.values):
            continue
        for finding in find(draft):
            if hints or KINDS[finding.code] != ("hint", "keep"):
                draft.apply(finding)
    return draft


def login_advice(slug: str, chat: ChatRequest, credential: Credential) -> tuple[Advice, ...]:
    """Return what this kind of login takes out of a request or adds to it; nothing for a key."""
    return tuple(resolve(slug, "oauth").advise(chat, credential)) if credential.auth_type == "oauth" else ()


def merged(*parts: Iterable[Advice]) -> tuple[Advice, ...]:
    """Return the findings of several sources in their order, each once."""
    kept: dict[tuple[str, str, str], Advice] = {}
    for item in (item for part in parts for item in part):
        kept.setdefault((item.source, item.field, item.what), item)
    return tuple(kept.values())


def _plan_of(session: Session, credential: Credential, model: str, dialect: Dialect) -> Plan:
    """Return the last plan while all that it was made of is the same, at most ``RESCAN_S``: model files may change."""
    settings, generation, now = conf.current(), library.generation, time.monotonic()
    login = credential.auth_type, credential.base_url, *credential.settings.items()
    key = session.provider, model, session.name, login
    kept = _plans.get(key)
    same = kept is not None and kept.settings is settings and kept.generation == generation and now < kept.until
    if kept is not None and same and kept.dialect == dialect:
        return kept.plan
    if len(_plans) >= MOST_PLANS:
        _plans.clear()
    plan = plan_of(rules_of(session.provider, model, credential, dialect, session=session.name))
    _plans[key] = _Kept(plan, dialect, settings, generation, now + RESCAN_S)
    return plan


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

    ``credential`` (its secret is not used) tells the kind of login and its settings; without one, the provider's own
    hold. ``session`` is the session's name, for figures that are configured for it; ``known`` what a list says of the
    model, where no file knows it. A parameter that is wrong by itself is not checked further. Raises as ``resolve``.
    """
    wrong = values.check(params)
    sound = {name: value for name, value in params.items() if name not in {item.field for item in wrong}}
    asked, choice = ChatParams(**values.canonical(sound)), tool_choice or ToolChoice()
    chat = ChatRequest(model=model, messages=messages, tools=tools, tool_choice=choice, params=asked)
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
            text = " | ".join(said)
            headers[name] = text if len(text) <= LONGEST else text[: LONGEST - 3].rstrip() + "..."
    return {**headers, "x-maestro-advice-count": str(len(found))} if found else {}


def _text(item: Advice) -> str:
    what = f"{item.field}: {item.message}" if item.field else item.message
    # The bar is what separates findings, so none of them has one of its own.
    return _UNSAFE.sub("?", f"{item.code or 'advice'} {what}").replace("|", "/").strip()
