"""Which presentations of a token were forbidden: judged from the server's ledger by the rules of refreshing alone.

Nothing of the product is used here. The rules, for a refresh token that is accepted once:

- while the outcome of a presentation is unknown (no whole answer, or one that does not prove that nothing was spent)
  the token is not presented as long as the access token works;
- nor, whoever asks, before the lease of that presentation is over (this one holds for every login);
- a token that was refused, or exchanged for a newer one that is stored, is not presented again;
- none is presented after the lease of its own process, nor before the provider allows a refresh.

Two cases cannot be known to the process that presents, and are named instead: it was stopped between its last check and
the send; or the clock of the machine was changed while no process ran that could have seen it.
"""

from dataclasses import dataclass, field

ROUNDING_S = 2.0
"""The end of an access token is told in whole seconds, and the answer takes its time."""
TICK_S = 0.005
STOPPED = "stopped between the last check and the send"
UNSEEN = "the clock was changed unseen"


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """One token at the token endpoint. Times are true seconds, which no step of a clock changes.

    ``generation``: of the token, 0 where the server does not count. ``committed``: the server accepted it. ``answer``
    is what went out whole: ``tokens``, ``refused`` or ``""``. ``recorded_at``: when the process had stored what it
    made of the answer (``None``: never), ``kept``: that were new tokens. ``intent_at``: when the process began to
    write down that it would send. ``*_skew``: by how much the clock of the machine was wrong when the process began,
    at the intent, and when the tokens of this generation were stored.
    """

    at: float
    process: str
    generation: int
    committed: bool
    answer: str
    fault: str
    reason: str
    intent_at: float
    recorded_at: float | None = None
    kept: bool = False
    stopped: bool = False
    access_ends: float = 0.0
    ended_at: float = float("inf")
    begun_skew: float = 0.0
    intent_skew: float = 0.0
    stored_skew: float = 0.0


@dataclass
class Judgement:
    """``forbidden`` and ``named`` by the number of the presentation; ``lost``: accepted, and nothing of it stored."""

    forbidden: dict[int, str] = field(default_factory=dict)
    named: dict[int, str] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)


def judge(presentations: list[Presentation], *, single_use: bool, lease_s: float) -> Judgement:
    """Judge the presentations of one login, given in the order in which they came."""
    found = Judgement()
    for number, one in enumerate(presentations):
        why, unseen = _why(one, presentations[:number], single_use=single_use, lease_s=lease_s)
        if why:
            cause = STOPPED if one.stopped else UNSEEN if unseen else ""
            if cause:
                found.named[number] = f"{why} ({cause})"
            else:
                found.forbidden[number] = why
        if single_use and one.committed and not one.kept:
            found.lost.append(number)
    return found


def _why(one: Presentation, earlier: list[Presentation], *, single_use: bool, lease_s: float) -> tuple[str, bool]:
    """Why it is forbidden, and whether the process could not know."""
    clock_changed = one.begun_skew != one.stored_skew
    if one.reason == "too_early":
        return "before the provider allows it", clock_changed
    if one.at > one.intent_at + lease_s:
        return "after its own lease", False
    same = [each for each in earlier if not single_use or each.generation == one.generation]
    if single_use:
        known = [each for each in same if each.recorded_at is not None and each.recorded_at < one.intent_at]
        if any(each.answer == "refused" for each in known):
            return "again after a refusal", False
        if any(each.kept for each in known):
            return "again after it was exchanged", False
    open_ = [each for each in same if not _settled(each, one.intent_at, single_use=single_use)]
    for each in open_:
        if one.at < each.intent_at + lease_s - TICK_S:
            gone = each.process != one.process and each.ended_at < one.at
            return "before the lease of an open intent is over", gone and each.intent_skew != one.begun_skew
    if single_use and open_ and one.access_ends - one.at > ROUNDING_S:
        return "an open intent, and the access token works", clock_changed
    return "", False


def _settled(one: Presentation, at: float, *, single_use: bool) -> bool:
    """Is the outcome known at that time? Where a token may come again, any recorded end settles it."""
    recorded = one.recorded_at is not None and one.recorded_at <= at
    return recorded and (not single_use or one.answer != "")
