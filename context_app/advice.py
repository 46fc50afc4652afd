"""Advice as the chat's pages show it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from providers_app.advice.draft import CHANGES
from providers_app.types.advice import Advice

ICONS = {"error": "warning", "warning": "warning", "hint": "lightbulb"}
WORDS = {"error": "Error", "warning": "Warning", "hint": "Hint"}


@dataclass(frozen=True, slots=True)
class AdviceView:
    """One finding; ``use`` is the nearest value as a form field takes it, where that is a plain one."""

    level: str
    field: str
    what: str
    why: str
    icon: str
    word: str
    use: str = ""
    use_label: str = ""


def shown(item: Advice) -> AdviceView:
    """One finding for a template."""
    plain = isinstance(item.nearest, str | int | float) and not isinstance(item.nearest, bool)
    use = f"{item.nearest:g}" if isinstance(item.nearest, float) else str(item.nearest)
    label = f"{item.nearest:,}" if isinstance(item.nearest, int) else use
    return AdviceView(
        level=item.level,
        field=item.field,
        what=item.what,
        why=item.why,
        icon=ICONS[item.level],
        word=WORDS[item.level],
        use=use if plain else "",
        use_label=label if plain else "",
    )


def changes(found: Iterable[Any]) -> list[AdviceView]:
    """What was left out of a request or changed in it, from the advice of a stored result; what is no advice is not
    shown."""
    views = []
    for item in found:
        if isinstance(item, Mapping) and item.get("code") in CHANGES:
            try:
                views.append(shown(msgspec.convert(item, Advice)))
            except msgspec.ValidationError:
                continue
    return views
