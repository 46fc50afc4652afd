"""Requests made fit to be sent: what the table of checks drops, replaces and refuses is done here, and only here."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from providers_app import conf
from providers_app.advice.checks import CHECKS
from providers_app.advice.draft import CHANGES, KINDS, Draft, Finding, Rules, rules_of
from providers_app.errors import InvalidParameter, UnsupportedParameter
from providers_app.model_data.library import RESCAN_S, library
from providers_app.ports import Session
from providers_app.registry.resolver import resolve
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect

MOST_PLANS = 1000
"""Plans that are kept; when there are more, all are made anew as they are needed."""

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

    The advice is what was left out or changed, also by the session's kind of login, and the warnings; the other hints
    are only for callers that ask for them (``validate_parameters``).

    Raises ``InvalidParameter`` for what cannot be sent, ``UnsupportedParameter`` where a ``strict`` request would be
    changed, and as the provider's behaviours do.
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
    """Return the plan for requests to a model over a session: the last one, while all that it was made of is the same.

    It is made anew after some seconds as well, because that lets the library look for changed model files.
    """
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
