"""``docs/configuration.md`` and ``.env.example``, generated from the settings models, under headings by purpose.

Both are the same on every machine: nothing of the environment, of paths outside the repository, or of providers that
are installed beside Maestro gets into them.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from pydantic import SecretBytes, SecretStr

from maestro_site import conf
from maestro_site.environment import LISTS, ROOT, Setting, plain_types
from providers_app.errors import ProviderBroken
from providers_app.registry.discovery import registry

BOUNDS = {"ge": "at least", "gt": "over", "le": "at most", "lt": "under"}
PAGE = Path("docs/configuration.md")
EXAMPLE = Path(".env.example")
HEAD = """# Configuration

<!-- Written by `manage.py settings_docs`; a change here is lost. -->

Every setting is an environment variable. None has to be set. The environment is read once, when a process starts: a
change needs a restart.

- **Names.** `MAESTRO_<NAME>`, `MAESTRO_<GROUP>__<NAME>`, `MAESTRO_PROVIDERS__<SLUG>__<NAME>`. Many settings are also
  read from the names that other programs use; ours is the stronger one.
- **File.** Variables may also stand in a file `.env` beside `manage.py`, or in the one that `MAESTRO_ENV_FILE` names;
  the environment is stronger. `.env.example` lists all of them.
- **Secrets** (marked so) may come from a file: `<NAME>_FILE` names it, for the other names too.
- **Empty** is the same as not set, except where the help says what empty does and a default stands.
- **Mistakes.** A value that cannot be used stops every command and is named. A variable that looks like ours and is
  none stops `manage.py up`, with the nearest name, and is a warning elsewhere.

`manage.py settings_explain` shows what differs from the defaults here; `manage.py settings_explain NAME` what one
setting is, where its value comes from, and what it hides.
"""
EXAMPLE_HEAD = """# Every setting of Maestro with its default: a copy named .env, beside manage.py, is read at start.
# Take the # away from the lines that you change. An empty value counts as not set. See docs/configuration.md.
# Written by `manage.py settings_docs`; a change here is lost.
"""


class Section(msgspec.Struct, frozen=True):
    """A heading, a sentence below it, and the paths it covers: ``*`` is a part of a name, ``group.`` all of a group."""

    title: str
    intro: str
    covers: str


SECTIONS = (
    Section(
        "Addresses and safety",
        "Where Maestro is reached, and what protects it.",
        "allowed_hosts trusted_origins behind_tls_proxy trusted_proxies public_url secret_key encryption_keys debug "
        "providers.allowed_private_hosts providers.ca_file",
    ),
    Section("Data and other servers", "Without these, one folder holds everything.", "data_dir *_url"),
    Section("Log", "", "log_level log_json"),
    Section("E-mail", "Notices are also sent by e-mail once there is a mail server.", "from_email email."),
    Section("Time limits", "How long providers are waited for.", "providers.*_timeout_s"),
    Section(
        "Limits",
        "Where one person or one message would take too much.",
        "sessions.*_limit sessions.*_per_owner context.max_* providers.max_*",
    ),
    Section(
        "Sign-ins and refreshing",
        "How long sign-ins wait, and when access tokens are renewed.",
        "providers.refresh_* providers.*login_ttl_s sessions.refresh_*",
    ),
    Section("Sessions", "How long what is over is kept.", "sessions."),
    Section("Contexts and answers", "", "context."),
    Section(
        "Gateway in front of the providers",
        'An enterprise gateway ("GenAI platform") that requests pass through.',
        "genai_platform.",
    ),
    Section("Models and requests", "What holds for every provider.", "providers.*"),
)
"""The first that covers a setting has it. Settings that none covers get a section for their provider or group."""


def render(settings: Iterable[Setting] | None = None) -> dict[Path, str]:
    """Return the text of both files by their path in the repository."""
    sections = by_section([each for each in (settings or conf.settings_list()) if _shipped(each)])
    page, example = [HEAD], [EXAMPLE_HEAD]
    for (title, intro), settings in sections.items():
        page.append(f"\n## {title}\n" + (f"\n{intro}\n" if intro else ""))
        page.append("\n| variable | type | default | what it is for |\n|---|---|---|---|\n")
        page += map(_row, settings)
        example.append(f"\n# {title}\n")
        example += [f"# {each.name}={_quoted(default_text(each))}\n" for each in settings]
    return {PAGE: "".join(page), EXAMPLE: "".join(example)}


def write(root: Path = ROOT) -> list[Path]:
    """Write the files that are not current; return their paths."""
    changed = {path: text for path, text in render().items() if _committed(root / path) != text}
    for path, text in changed.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return list(changed)


def differences(root: Path = ROOT, settings: Iterable[Setting] | None = None) -> list[str]:
    """Return a unified diff from the files to what they should hold; no lines when they are current."""
    found: list[str] = []
    for path, text in render(settings).items():
        before, names = _committed(root / path).splitlines(), (f"{path} (committed)", f"{path} (generated)")
        found += difflib.unified_diff(before, text.splitlines(), *names, n=0, lineterm="")
    return found


def by_section(settings: Iterable[Setting]) -> dict[tuple[str, str], list[Setting]]:
    """Return the settings by title and intro of their section, providers last; sections without any are left out."""
    found: dict[tuple[str, str], list[Setting]] = {(each.title, each.intro): [] for each in SECTIONS}
    for setting in settings:
        chosen = next((each for each in SECTIONS if _covers(each, setting)), None)
        key = (chosen.title, chosen.intro) if chosen else (_own_title(setting), "")
        found.setdefault(key, []).append(setting)
    return {key: held for key, held in found.items() if held}


def type_text(setting: Setting) -> str:
    """Describe the type that a value must have: ``number, over 0, at most 300``."""
    return ", ".join((_type_name(setting.info.annotation), *_bounds(setting)))


def default_text(setting: Setting) -> str:
    """Return the default as a variable would hold it; empty for none and for secrets."""
    return "" if setting.secret else text_of(setting.default)


def text_of(value: Any) -> str:
    """Return a value that is no secret as a variable would hold it, paths below the installation relative to it."""
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


def _covers(section: Section, setting: Setting) -> bool:
    patterns = (re.escape(each).replace(r"\*", "[^.]*") for each in section.covers.split())
    return any(re.fullmatch(each + (".*" if each.endswith(".") else ""), setting.dotted) for each in patterns)


def _own_title(setting: Setting) -> str:
    group, *names = setting.path
    if group != "providers":
        return group.replace("_", " ").capitalize()
    with suppress(ProviderBroken):
        names[0] = registry.card(names[0]).name
    return f"Provider {names[0]}"


def _shipped(setting: Setting) -> bool:
    """Return False for a setting of a provider that is installed beside Maestro."""
    if setting.path[0] != "providers" or len(setting.path) < 3:
        return True
    package = registry.packages().get(setting.path[1])
    return package is not None and package.source == "folder"


def _committed(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _row(setting: Setting) -> str:
    default, aliases = default_text(setting), ", ".join(f"`{name}`" for name in setting.aliases)
    kind = type_text(setting) + (", secret" if setting.secret else "")
    words = setting.help + (f" Also read from {aliases}." if aliases else "")
    cells = (f"`{setting.name}`", kind, f"`{default}`" if default else "", words)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _quoted(text: str) -> str:
    """Quote a value for shells and ``.env`` files where it has more than plain characters."""
    plain = all(character.isalnum() or character in "_-./:,@%+=" for character in text)
    return text if plain else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _type_name(annotation: Any) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    names |= {Path: "path", SecretStr: "text", SecretBytes: "text"}
    if annotation in names:
        return names[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" if choice != "" else "empty" for choice in inner)
    if origin in LISTS:
        of = {int: " of whole numbers", float: " of numbers"}.get(inner[0], "") if inner else ""
        return f"list{of}, with commas"
    if origin is dict or annotation is dict:
        return "names with values"
    if inner:  # X | None
        return " or ".join(dict.fromkeys(_type_name(part) for part in inner if part is not NoneType))
    return str(getattr(annotation, "__name__", annotation))


def _bounds(setting: Setting) -> list[str]:
    found = []
    for mark in setting.info.metadata:
        for name, words in BOUNDS.items():
            if (bound := getattr(mark, name, None)) is not None:
                short = isinstance(bound, float) and abs(bound) < 1e6
                found.append(f"{words} {bound:g}" if short else f"{words} {bound}")
        if getattr(mark, "max_length", None) and plain_types(setting.info.annotation).isdisjoint(LISTS):
            found.append(f"at most {mark.max_length} characters")
        if getattr(mark, "min_length", 0):
            found.append("not empty")
    return found
