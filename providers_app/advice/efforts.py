"""Reasoning efforts and budgets: what the format has no word for, and what does not fit into the output."""

from collections.abc import Sequence

from providers_app.advice.draft import Draft
from providers_app.types.rules import EFFORTS


def fit(draft: Draft) -> None:
    """The step of ``fitting``. A budget is checked after everything else was left out."""
    effort = draft.values.get("reasoning_effort")
    if effort is None:
        return
    form = draft.rules.format
    word = form.renamed_efforts.get(effort)
    if word is not None:
        # The dialect writes the neighbour's word: what else depends on the effort still sees the one that was meant.
        what = f"reasoning_effort {effort} is sent as {word}."
        why = f"{draft.rules.name} has no such effort."
        draft.say("warning", "reasoning_effort", "renamed", what, why, word)
    budget = form.budgets.get(effort, 0)
    if budget and form.budget_in_output:
        _fit_budget(draft, budget)


def nearest_effort(effort: str, known: Sequence[str]) -> str:
    """The member of ``known`` that is nearest to an effort; of two as near, the lower one."""
    places = {name: number for number, name in enumerate(EFFORTS)}
    at = places.get(effort, 0)
    return min(known, key=lambda name: (abs(places.get(name, 0) - at), places.get(name, 0)))


def _fit_budget(draft: Draft, budget: int) -> None:
    """The thinking is part of the output, and something has to be left for the answer."""
    form = draft.rules.format
    limit = draft.values.get("max_output_tokens", form.default_max_output)
    if limit is None or budget < limit:
        return
    if limit - 1 < form.least_budget:
        why = f"The model needs at least {form.least_budget:,} tokens for it, as part of max_output_tokens ({limit:,})."
        draft.drop("reasoning_effort", "not_for_model", why)
        return
    what = f"The model may think {limit - 1:,} tokens, not {budget:,}."
    why = f"Its thinking is part of max_output_tokens ({limit:,}), and must be less."
    draft.say("warning", "reasoning_effort", "budget_cut", what, why)
