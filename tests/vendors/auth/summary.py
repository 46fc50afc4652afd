"""What the ledger of token requests adds up to."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.vendors.auth.records import Family, Spend

SAFE = ("rate_limited", "fault-status")
"""Answers that say that nothing was spent, so that presenting the token again is no second presentation."""


def summarize(spends: Iterable[Spend], families: dict[str, Family], overlaps: int) -> dict[str, Any]:
    """Refreshes only. Keys are ``family:generation`` of the refresh token that was presented.

    ``presentations, accepted, refused, rate_limited, early, overlaps``: numbers. ``accepted_spends``: how often each
    token was accepted. ``accepted_twice``: those of a rotating family that were accepted more than once.
    ``second_presentations``: how often each token of a rotating family was presented again; ``unexplained`` of them
    came although the presentation before had been answered. ``lost_answers``: accepted, and the answer did not arrive
    whole. ``burned``: family -> reason.
    """
    refreshes = [spend for spend in spends if spend.kind == "refresh"]
    accepted = Counter(_name(spend) for spend in refreshes if spend.accepted)
    again: Counter[str] = Counter()
    unexplained: list[str] = []
    before: dict[str, Spend] = {}
    for spend in refreshes:
        if spend.reason in SAFE:
            continue
        family = families.get(spend.family)
        earlier = before.get(spend.token_hash)
        if earlier is not None and (family is None or family.rotates):
            again[_name(spend)] += 1
            if earlier.answered:
                unexplained.append(_name(spend))
        before[spend.token_hash] = spend
    rotating = {name: family for name, family in families.items() if family.rotates}
    return {
        "presentations": len(refreshes),
        "accepted": sum(accepted.values()),
        "refused": sum(not spend.accepted and spend.reason not in SAFE for spend in refreshes),
        "rate_limited": sum(spend.reason == "rate_limited" for spend in refreshes),
        "early": sum(spend.reason == "too_early" for spend in refreshes),
        "overlaps": overlaps,
        "accepted_spends": dict(accepted),
        "accepted_twice": [name for name, count in accepted.items() if count > 1 and name.split(":")[0] in rotating],
        "second_presentations": dict(again),
        "unexplained": unexplained,
        "lost_answers": [_name(spend) for spend in refreshes if spend.accepted and not spend.answered],
        "burned": {name: family.burned for name, family in families.items() if family.burned},
    }


def _name(spend: Spend) -> str:
    return f"{spend.family or 'unknown'}:{spend.generation}"
