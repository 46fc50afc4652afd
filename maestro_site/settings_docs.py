"""``docs/configuration.md`` and ``.env.example``, made from the settings themselves.

The same text on every machine: nothing of the environment, of paths outside the repository, or of providers that are
installed beside Maestro gets into it.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path

from maestro_site import conf
from maestro_site.setting_tree import ROOT, Setting
from maestro_site.setting_words import default_text, type_words
from maestro_site.settings_concerns import grouped, shipped

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
setting is, where its value comes from, and what it hides. What earlier names became: [migration](migration.md).
"""
EXAMPLE_HEAD = """# Every setting of Maestro with its default: a copy named .env, beside manage.py, is read at start.
# Take the # away from the lines that you change. An empty value counts as not set. See docs/configuration.md.
# Written by `manage.py settings_docs`; a change here is lost.
"""


def render(settings: Iterable[Setting] | None = None) -> dict[Path, str]:
    """The text of both files by their path in the repository."""
    chosen = [each for each in (conf.settings_list() if settings is None else settings) if shipped(each)]
    return {PAGE: _page(chosen), EXAMPLE: _example(chosen)}


def write(root: Path = ROOT) -> list[Path]:
    """Write what is not as it should be; the paths that were written."""
    changed = []
    for path, text in render().items():
        file = root / path
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def differences(root: Path = ROOT, settings: Iterable[Setting] | None = None) -> list[str]:
    """The lines of a unified diff from the files to what they should hold; none when they are right."""
    lines: list[str] = []
    for path, text in render(settings).items():
        file = root / path
        there = file.read_text(encoding="utf-8") if file.is_file() else ""
        lines += difflib.unified_diff(
            there.splitlines(), text.splitlines(), f"{path} (committed)", f"{path} (generated)", n=0, lineterm=""
        )
    return lines


def _page(settings: list[Setting]) -> str:
    parts = [HEAD]
    for title, words, held in grouped(settings):
        parts.append(f"\n## {title}\n")
        if words:
            parts.append(f"\n{words}\n")
        parts.append("\n| variable | type | default | what it is for |\n|---|---|---|---|\n")
        parts += [_row(setting) for setting in held]
    return "".join(parts)


def _row(setting: Setting) -> str:
    default = default_text(setting)
    also = [f"Also read from {_listed(setting.aliases)}."] if setting.aliases else []
    cells = (
        f"`{setting.name}`",
        type_words(setting) + (", secret" if setting.secret else ""),
        f"`{default}`" if default else "",
        " ".join((setting.help, *also)),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _example(settings: list[Setting]) -> str:
    parts = [EXAMPLE_HEAD]
    for title, _, held in grouped(settings):
        parts.append(f"\n# {title}\n")
        parts += [f"# {setting.name}={_quoted(default_text(setting))}\n" for setting in held]
    return "".join(parts)


def _quoted(text: str) -> str:
    """A value as shells and ``.env`` files take it: in single quotes where it has more than plain letters."""
    plain = all(character.isalnum() or character in "_-./:,@%+=" for character in text)
    return text if plain else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
