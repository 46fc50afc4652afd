"""Chat completions as Azure writes them: with the filter's results, and with the filter running after the text."""

import json
from typing import Any

from tests.vendors.asgi import Frame
from tests.vendors.chat.stream import broken, completion, frames
from tests.vendors.plan import Plan
from tests.vendors.replies import sse
from tests.vendors.script import Answer

SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
PROMPT = [{"prompt_index": 0, "content_filter_results": {**SAFE, "jailbreak": {"filtered": False, "detected": False}}}]


def whole(answer: Answer, model: str, number: int) -> dict[str, Any]:
    """The body of an answer that is not streamed; reasoning is counted and not shown."""
    made = completion(answer, model, number)
    for choice in made["choices"]:
        choice["message"].pop("reasoning_content", None)
        choice["content_filter_results"] = SAFE
    return {**made, "prompt_filter_results": PROMPT}


def chunks(answer: Answer, model: str, number: int, *, include_usage: bool, late: bool) -> list[Frame]:
    """First the filter's word about the prompt, in a chunk without choice, id and model.

    ``late``: the filter runs beside the text. Its results come in chunks without text, and its verdict after the end.
    """
    head = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": PROMPT}
    made = [Frame(sse(head))]
    for frame in frames(answer, model, number, include_usage):
        rewritten = _rewritten(frame, late)
        if rewritten is not None:
            made.append(rewritten)
        if late and frame.visible:
            made.append(_annotation(model, number, None))
    if late:
        # The verdict comes before the end marker, after the answer's own finish.
        made.insert(len(made) - 1, _annotation(model, number, "content_filter"))
    return made


def failing(plan: Plan) -> list[bytes]:
    """An error in the middle."""
    return broken(Plan(cut="midstream-error", quota=plan.quota))


def _rewritten(frame: Frame, late: bool) -> Frame | None:
    if b"[DONE]" in frame.data:
        return frame
    payload = json.loads(frame.data.removeprefix(b"data: "))
    for choice in payload["choices"]:
        if choice["delta"].pop("reasoning_content", None) is not None:
            return None
        choice["content_filter_results"] = {} if late or not frame.visible else SAFE
    return Frame(sse({**payload, "system_fingerprint": "fp_local"}), frame.visible)


def _annotation(model: str, number: int, finish: str | None) -> Frame:
    results = SAFE if finish is None else {**SAFE, "violence": {"filtered": True, "severity": "high"}}
    offsets = {"check_offset": 44, "start_offset": 44, "end_offset": 198}
    choice = {"index": 0, "finish_reason": finish, "content_filter_results": results, "content_filter_offsets": offsets}
    head = {"id": f"chatcmpl-{number:024d}", "object": "", "created": 0, "model": model}
    return Frame(sse({**head, "choices": [choice]}))
