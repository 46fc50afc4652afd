"""The steps about answers that something comes between: an output limit, a refusal for a rate limit."""

import time

from maestro_site.e2e.plan import PROMPT, Failed, Plan, Skipped, State
from maestro_site.e2e.steps import SHORT_PROMPT, ask
from providers_app import conf, errors, measures, provider
from providers_app.resilience.checkpoint import StreamCheckpoint
from providers_app.streaming import fold
from providers_app.types.continuing import SAID

CUT_TOKENS = 64
"""Output tokens after which an answer is cut, to go on with it."""
BEGINNING = 40
"""Characters by which an answer that begins anew is recognised."""


async def cut_and_continued(plan: Plan, state: State) -> str:
    """Let the output limit cut an answer, and go on with it from its checkpoint."""
    seen: list[StreamCheckpoint] = []
    source = ask(plan, state, PROMPT, max_output_tokens=CUT_TOKENS, checkpoint_callback=seen.append)
    events = [event async for event in source]
    cut = fold(events)
    if cut.finish_reason != "length" or not cut.text.strip():
        raise Skipped(f"The limit of {CUT_TOKENS} tokens did not cut the text of the answer.")
    try:
        source = provider.continue_from_checkpoint(seen[-1], owner=plan.owner)
        following = [event async for event in source]
    except errors.CannotContinue as error:
        raise Skipped(error.message) from None
    whole = fold([*events[:-1], *following])
    if whole.error is not None:
        raise Failed("The answer that goes on broke off.", whole.error.code)
    if not whole.continued or len(whole.text) <= len(cut.text):
        raise Failed("The answer did not go on.")
    following_text = whole.text[len(cut.text) :].lstrip()
    if following_text.startswith(cut.text.lstrip()[:BEGINNING]):
        raise Failed("The answer began anew instead of going on.")
    rounds = whole.usage.raw.get("rounds", ()) if whole.usage is not None else ()
    if len(rounds) != 2:
        raise Failed("The tokens of the two requests were not added.")
    way = SAID[whole.continued[0].way]
    return f"Cut after {len(cut.text)} characters; then {way}: {len(whole.text)} characters, tokens added."


async def retried(plan: Plan, state: State) -> str:
    """Check that a refusal for a limit is waited out and the request sent again."""
    if not plan.limited_model:
        raise Skipped("Only a test server limits on request; --limited-model names a model that is refused once.")
    if not conf.current().max_retries:
        raise Skipped("Retries are turned off (max_retries).")
    begun, before = time.monotonic(), _repeated(plan.provider)
    result = fold([event async for event in ask(plan, state, SHORT_PROMPT, plan.limited_model)])
    if not result.complete:
        raise Failed("After the refusal there was no whole answer.", result.error.code if result.error else "")
    if _repeated(plan.provider) == before:
        raise Failed(f"The model '{plan.limited_model}' was answered at once; nothing was refused.")
    return f"Refused once, then answered after {time.monotonic() - begun:.2f} s."


def _repeated(slug: str) -> float:
    """Return how often a request to this provider was sent again after a wait, in this process."""
    counted = measures.here.snapshot().counters
    return sum(counted.get((measures.RETRIES.name, slug, kind), 0) for kind in ("after", "backoff"))
