"""What every setting is and where its value comes from: for ``settings_explain``, and for pages that show settings.

It stands on the environment alone and needs no Django, so it also answers where the settings cannot be used: then each
wrong one carries its problem, and the others their values.
"""

import difflib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, SecretStr, ValidationError

from maestro_site import conf, environment
from maestro_site.environment import ConfigError, Found, Reading
from maestro_site.setting_tree import Setting, env_name
from maestro_site.setting_words import default_text, masked_url, secret_shown, shown, type_words

SourceKind = Literal["default", "environment", ".env", "file"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value is from. ``name`` is own, alias, earlier or empty (a default)."""

    kind: SourceKind = "default"
    variable: str = ""
    name: str = ""
    file: str = ""

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        words = {"alias": " (another program's name for it)", "earlier": " (an earlier name)"}.get(self.name, "")
        place = f" in {self.file}" if self.kind == ".env" else ""
        read = f", the file {self.file}" if self.kind == "file" else ""
        return f"{self.variable}{place}{read}{words}"


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """One setting; ``value`` and ``default`` are texts in which secrets are masked."""

    name: str
    path: str
    type: str
    default: str
    value: str
    source: Source
    shadows: tuple[Source, ...]
    aliases: tuple[str, ...]
    earlier: tuple[str, ...]
    help: str
    secret: bool
    declared: str
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Does it say anything else than the default, or at least come from somewhere else?"""
        return self.source.kind != "default"


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, and every sentence about what is wrong with them or with variables that are none."""

    settings: tuple[Described, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def find(self, word: str) -> tuple[Described, ...]:
        """The setting of this name, or the settings of this group: ours, another program's, or ``providers.openai``,
        in any case. Empty where nothing has it."""
        plain = word.strip().upper()
        as_path = env_name(tuple(plain.split(".")))
        for wanted in (plain, f"MAESTRO_{plain}", as_path):
            exact = [
                each for each in self.settings if wanted in (each.name, f"{each.name}_FILE" if each.secret else "")
            ]
            if exact:
                return tuple(exact)
        other = [each for each in self.settings if plain.removesuffix("_FILE") in (*each.aliases, *each.earlier)]
        if other:
            return tuple(other)
        heads = {f"{name}__" for name in (plain, f"MAESTRO_{plain}", as_path)}
        return tuple(each for each in self.settings if any(each.name.startswith(head) for head in heads))

    def nearest(self, word: str) -> str:
        """The likeliest meant name, empty where none is near."""
        names: dict[str, str] = {}
        for each in self.settings:
            leaf = each.path.rpartition(".")[2]
            for name in (each.name, each.path, *each.aliases, *each.earlier):
                names.setdefault(name.lower(), name)
            names.setdefault(leaf, each.path)
        close = difflib.get_close_matches(word.strip().lower()[:200], names, n=1)
        return names[close[0]] if close else ""


def catalogue(environ: Mapping[str, str] | None = None) -> Catalogue:
    """The settings as this process would read them now. Never fails for what the environment holds."""
    try:
        found = environment.of_process(environ)
    except ConfigError as error:  # the .env file cannot be read: without it, then
        return _described(environment.read(conf.settings_list(), environment.Environment({})), [str(error)], [])
    reading = environment.read(conf.settings_list(), found)
    warnings = [
        *conf.unknown_variables(environ),
        *conf.earlier_names(environ),
        *conf.unknown_earlier_names(environ),
    ]
    return _described(reading, [], warnings)


def _described(reading: Reading, outside: list[str], warnings: list[str]) -> Catalogue:
    tree, wrong = _tree(reading)
    settings = tuple(_one(setting, tree, reading, wrong) for setting in conf.settings_list())
    return Catalogue(settings=settings, problems=(*outside, *dict.fromkeys(wrong.values())), warnings=tuple(warnings))


def _tree(reading: Reading) -> tuple[BaseModel, dict[tuple[str, ...], str]]:
    """The settings without the wrong ones, and what is wrong by path."""
    wrong = dict(reading.problems)
    values = reading.values
    for _ in range(len(reading.used) + 1):
        try:
            return conf.MaestroSettings.model_validate(values), wrong
        except ValidationError as error:
            for path, sentence in conf.wrong(error, reading):
                wrong.setdefault(path, sentence)
                values = _without(values, path)
    return conf.MaestroSettings(), wrong


def _without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """A copy of nested values that lacks what stands at the path, or has nothing at all for an empty path."""
    if not path:
        return {}
    head, *rest = path
    if head not in values or not rest:
        return {name: value for name, value in values.items() if name != head}
    return {**values, head: _without(values[head], tuple(rest))}


def _one(setting: Setting, tree: BaseModel, reading: Reading, wrong: Mapping[tuple[str, ...], str]) -> Described:
    value: Any = tree
    for part in setting.path:
        value = getattr(value, part, None)
    used = reading.used.get(setting.path)
    problem, text = wrong.get(setting.path, ""), ""
    if not problem:
        text = shown(setting, value)
        # Where the settings of a group do not go together, each alone may be right: what was meant is shown.
        if used and not used.from_file and any(setting.path[:end] in wrong for end in range(len(setting.path))):
            text = (
                secret_shown(SecretStr(used.text), url=setting.url_with_secret)
                if setting.secret
                else masked_url(used.text)
            )
    return Described(
        name=setting.name,
        path=setting.dotted,
        type=type_words(setting),
        default=default_text(setting),
        value=text,
        source=source_of(used) if used else Source(),
        shadows=tuple(source_of(each) for each in reading.shadowed.get(setting.path, ())),
        aliases=setting.aliases,
        earlier=setting.earlier,
        help=setting.help,
        secret=setting.secret,
        declared=setting.declared,
        problem=problem,
    )


def source_of(found: Found) -> Source:
    """Where a variable is from, without what it holds."""
    kind: SourceKind = "file" if found.from_file else ".env" if found.env_file else "environment"
    return Source(
        kind=kind, variable=found.variable, name=found.kind, file=found.text if found.from_file else found.env_file
    )
