"""Settings in words: the type a value must have, and a value as people and ``.env`` files write it, without secrets."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import SecretBytes, SecretStr

from maestro_site.setting_tree import LISTS, ROOT, Setting

MASKED = "***"
NAMES = {str: "text", int: "whole number", float: "number", Path: "path", SecretStr: "text", SecretBytes: "text"}
# Parts of the names of parameters in addresses whose values are secrets.
SECRET_WORDS = ("key", "token", "secret", "pass", "pwd", "sig", "auth", "credential")


def type_words(setting: Setting) -> str:
    """``number, over 0, at most 300``."""
    return ", ".join((_kind(setting.info.annotation), *_bounds(setting)))


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is bool:
        return "`true` or `false`"
    if annotation in NAMES:
        return NAMES[annotation]
    if origin is Literal:
        return " or ".join(f"`{choice}`" if choice != "" else "empty" for choice in inner)
    if origin in LISTS:
        of = {int: " of whole numbers", float: " of numbers"}.get(inner[0], "") if inner else ""
        return f"list{of}, with commas"
    if origin is dict or annotation is dict:
        return "names with values"
    if inner:  # X | None
        return " or ".join(dict.fromkeys(_kind(part) for part in inner if part is not NoneType))
    return str(getattr(annotation, "__name__", annotation))


def _bounds(setting: Setting) -> list[str]:
    words = []
    for mark in setting.info.metadata:
        match mark:
            case Ge(ge=number):
                words.append(f"at least {_number(number)}")
            case Gt(gt=number):
                words.append(f"over {_number(number)}")
            case Le(le=number):
                words.append(f"at most {_number(number)}")
            case Lt(lt=number):
                words.append(f"under {_number(number)}")
            case MaxLen(max_length=number) if not _is_list(setting):
                words.append(f"at most {number} characters")
            case MinLen(min_length=number) if number:
                words.append("not empty")
    return words


def _number(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) and abs(number) < 1e6 else str(number)


def _is_list(setting: Setting) -> bool:
    annotation = setting.info.annotation
    parts = get_args(annotation) if get_origin(annotation) is Union else (annotation,)
    return any(get_origin(part) in LISTS for part in parts)


def shown(setting: Setting, value: Any) -> str:
    """A value for people, empty for none; what is secret in it is ``***``."""
    if setting.secret:
        return secret_shown(value, url=setting.url_with_secret)
    if isinstance(value, LISTS):
        return ",".join(masked_url(text_of(each)) for each in value)
    return masked_url(text_of(value))


def secret_shown(value: Any, *, url: bool = False) -> str:
    """A secret for people: ``***``, empty where there is none; of an address what may be seen."""
    if value is None:
        return ""
    if isinstance(value, SecretStr | SecretBytes):
        secret = value.get_secret_value()
        text = secret if isinstance(secret, str) else "bytes"
        if not text:
            return ""
        return masked_url(text, parameters=True) or MASKED if url else MASKED
    if isinstance(value, Mapping):
        return json.dumps({str(name): secret_shown(each) for name, each in value.items()}) if value else ""
    if isinstance(value, LISTS):
        return ",".join(secret_shown(each) for each in value)
    return MASKED if str(value) else ""


def masked_url(text: str, *, parameters: bool = False) -> str:
    """An address without the name and password in it, and without the values of its parameters that sound secret (or
    of all: ``parameters``). A text that is no address stays as it is; with ``parameters`` nothing of it is shown."""
    scheme, found, rest = text.partition("://")
    if not found:
        return MASKED if parameters else text
    if "@" in rest:  # all of it up to the last one: a password may hold any character, also where that is wrong
        rest = f"{MASKED}@{rest.rpartition('@')[2]}"
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    kept = "&".join(
        f"{name}={MASKED if parameters or any(word in name.lower() for word in SECRET_WORDS) else value}"
        for name, _, value in pairs
    )
    return f"{scheme}://{rest}{'?' + kept if kept else ''}{'#' + MASKED if fragment else ''}"


def text_of(value: Any) -> str:
    """A value that is no secret, as a variable would hold it. Paths of the installation are shown from its folder."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
        case Path():
            inside = value.is_relative_to(ROOT) and value != ROOT
            return f"{value.relative_to(ROOT)}/" if inside and not value.suffix else str(value)
        case Mapping():
            return msgspec.json.encode(dict(value), enc_hook=str).decode() if value else ""
        case list() | tuple() | set() | frozenset():
            return ",".join(sorted(map(text_of, value)) if isinstance(value, set | frozenset) else map(text_of, value))
    return str(value)


def default_text(setting: Setting) -> str:
    """The default as a variable would hold it; empty for none and for secrets."""
    return "" if setting.secret else text_of(setting.default)
