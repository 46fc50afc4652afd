"""Models and figures that the operator sets: ``MAESTRO_PROVIDERS__CONFIGURED_MODELS``. They beat everything else."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.model_data.file import Entry, ModelFileError, check_figures
from providers_app.types.catalogue import Figure, ModelInfo

MAX_MODELS = 2000


def parse(value: Any) -> Any:
    """Entries by ``provider`` or ``provider/session`` and by model, from JSON text or from what it decodes to.

    Raises ``ValueError`` that names what is wrong.
    """
    if isinstance(value, str | bytes):
        if not value.strip():
            return {}
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("it is not JSON") from None
    try:
        found = msgspec.convert(value, type=dict[str, dict[str, Entry]])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    for where, entries in found.items():
        if len(entries) > MAX_MODELS:
            raise ValueError(f"{where}: more than {MAX_MODELS} models")
        for model_id, entry in entries.items():
            if not model_id.strip() or len(model_id) > 200:
                raise ValueError(f"{where}: {model_id[:80]!r} cannot be the id of a model")
            try:
                check_figures(f"{where}.{model_id}", entry.known())
            except ModelFileError as error:
                raise ValueError(str(error)) from None
    return found


def configured(setting: Mapping[str, Mapping[str, Entry]], provider: str, session: str = "") -> dict[str, ModelInfo]:
    """Return the models configured for a provider and for one session of it (by name), whose figures come first."""
    found: dict[str, ModelInfo] = {}
    for where in (provider, f"{provider}/{session}"):
        for model_id, entry in setting.get(where, {}).items():
            known = entry.known()
            before = found.get(model_id) or ModelInfo(id=model_id, name=model_id, source="configured")
            figures = before.figures | dict.fromkeys(known, Figure(source="configured"))
            found[model_id] = msgspec.structs.replace(before, name=entry.name or before.name, figures=figures, **known)
    return found
