"""Recognise the kind of a text, and read the logins in it by the reader of that kind."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from providers_app.errors import InvalidRequest
from providers_app.registry import file_formats
from providers_app.types.logins import ImportedLogin
from sessions_app.import_sources import keys, legacy

LEGACY, LLM, ENV, SETTINGS = "saved-authentications", "llm-keys", "env", "settings"
OWN = {LEGACY: "Export of saved_authentications", LLM: "keys.json of the llm tool", ENV: ".env file"}
# The label of ``SETTINGS``, which is no kind of file: an operator may choose it.
IN_SETTINGS = "Logins in this installation's environment"
MAX_TEXT = 64 * 1024 * 1024


def kinds() -> dict[str, str]:
    """Return the label of every kind of file that can be read: our own, then those of the providers."""
    return {**OWN, **{name: each.label for name, (_, each) in file_formats.formats().items()}}


def places() -> dict[str, str]:
    """Return the usual path of the files of a kind."""
    found = {name: each.place for name, (_, each) in file_formats.formats().items() if each.place}
    return {LLM: "~/.config/io.datasette.llm/keys.json", **found}


def recognise(texts: Sequence[str]) -> str:
    """Return the kind of these files. Raises ``InvalidRequest`` with the kinds that there are."""
    for text in texts:
        decoded = _decoded(text)
        if decoded is None:
            continue
        if name := file_formats.recognise(decoded):
            return name
        if legacy.is_export(decoded):
            return LEGACY
        if isinstance(decoded, Mapping) and all(isinstance(value, str) for value in decoded.values()) and decoded:
            return LLM
    head = texts[0].lstrip("\ufeff \t\r\n").partition("\n")[0].lower() if texts else ""
    if "provider" in head and "," in head:
        return LEGACY
    if any("=" in line for line in (texts[0] if texts else "").splitlines()):
        return ENV
    hint = f"It reads: {', '.join(kinds().values())}."
    raise InvalidRequest("This is no file that Maestro can import logins from.", hint=hint)


def read(kind: str, texts: Sequence[str], slugs: Collection[str], *, retired: bool = False) -> list[ImportedLogin]:
    """Return the logins in files of one kind, unusable ones with a problem; ``retired`` and errors: ``legacy.read``."""
    if sum(map(len, texts)) > MAX_TEXT:
        raise InvalidRequest("The file is too large to hold logins.")
    if kind == LEGACY:
        return [login for text in texts for login in legacy.read(text, slugs, retired=retired)]
    if kind == SETTINGS:
        return keys.read_environment()
    if kind == ENV:
        return [login for text in texts for login in keys.read_env(text, slugs)]
    if kind not in kinds():
        raise InvalidRequest(f"There is no kind of import {kind[:40]!r}.", hint=f"There are: {', '.join(kinds())}.")
    decoded = tuple(_decoded(text) for text in texts)
    if any(found is None for found in decoded):
        raise InvalidRequest("The file is not valid JSON.")
    if kind != LLM:
        return file_formats.read(kind, decoded)
    if not all(isinstance(found, Mapping) for found in decoded):
        raise InvalidRequest("The file is no object of names and keys.")
    return [login for found in decoded for login in keys.read_llm(found, slugs)]


def _decoded(text: str) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None
