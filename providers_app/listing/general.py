"""The general model of a provider: what a chat begins with where neither a person nor the configuration named one."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from providers_app.types.catalogue import ModelInfo

OTHER_WORK = re.compile(
    r"embed|rerank|whisper|(?<![a-z])(?:tts|asr|ocr)(?![a-z])|moderation|guard|stable-diffusion", re.I
)
"""Words in the ids of models that do not chat, for servers that list ids alone."""
ENDED = frozenset({"deprecated", "retired"})


def general_model(models: Sequence[ModelInfo], family: str, today: date) -> str:
    """Return the id of the newest usable model whose whole id fits ``family``, else of the first usable one.

    ``family`` is a regular expression; the numbers of an id are its version. Empty where no model can be used.
    """
    usable = [model for model in models if _chats(model) and _lasts(model, today)]
    of_family = [model.id for model in usable if family and re.fullmatch(family, model.id)]
    if of_family:
        return max(of_family, key=_version)
    return usable[0].id if usable else ""


def _chats(model: ModelInfo) -> bool:
    if model.capabilities:
        return "chat" in model.capabilities
    return "text" in model.output_modalities and not OTHER_WORK.search(model.id)


def _lasts(model: ModelInfo, today: date) -> bool:
    ends = model.retires_at or ""
    return model.lifecycle not in ENDED and not (ends and ends <= today.isoformat())


def _version(model_id: str) -> tuple[int, ...]:
    numbers: Iterable[str] = re.findall(r"\d+", model_id)
    return tuple(map(int, numbers))
