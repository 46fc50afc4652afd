"""Every setting with the value in force, where that comes from and what it hides, as ``settings_explain`` shows it.

It needs no Django, so it also answers when settings cannot be used. Secrets are masked in all texts.
"""

import difflib
import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from maestro_site import conf, environment
from maestro_site.environment import LISTS, ConfigError, Found, Reading, Setting, env_name
from maestro_site.settings_reference import default_text, text_of, type_text
from providers_app.setting_types import URL_WITH_SECRET

SourceKind = Literal["default", "environment", ".env", "file"]
MASKED = "***"
# Parts of the names of query parameters whose values are secrets.
SECRET_WORDS = ("key", "token", "secret", "pass", "pwd", "sig", "auth", "credential")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The variable or file that a value comes from. ``name`` is own, alias or empty (a default)."""

    kind: SourceKind = "default"
    variable: str = ""
    name: str = ""
    file: str = ""

    @classmethod
    def of(cls, found: Found) -> "Source":
        """Return the source of a variable, without its value."""
        kind: SourceKind = "file" if found.from_file else ".env" if found.env_file else "environment"
        file = found.text if found.from_file else found.env_file
        return cls(kind=kind, variable=found.variable, name=found.kind, file=file)

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        place = {".env": f" in {self.file}", "file": f", the file {self.file}"}.get(self.kind, "")
        return f"{self.variable}{place}{' (an alias)' if self.name == 'alias' else ''}"


class EffectiveSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting; ``value`` and ``default`` are texts in which secrets are masked."""

    name: str
    path: str
    type: str
    default: str
    value: str
    source: Source
    shadows: tuple[Source, ...]
    aliases: tuple[str, ...]
    help: str
    secret: bool
    declared: str
    problem: str = ""

    @property
    def changed(self) -> bool:
        """True unless the value is the default because nothing else was given."""
        return self.source.kind != "default"


class EffectiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, and a sentence for each problem with them and for each variable that is not a setting."""

    settings: tuple[EffectiveSetting, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def find(self, name: str) -> tuple[EffectiveSetting, ...]:
        """Return the setting of this name or alias, or the settings of this group, in any case; empty if there is none.

        A name is ``MAESTRO_...`` with or without the prefix, or a path such as ``providers.openai``.
        """
        plain = name.strip().upper()
        spellings = (plain, f"MAESTRO_{plain}", env_name(tuple(plain.split("."))))
        for spelling in spellings:
            for each in self.settings:
                if spelling in (each.name, f"{each.name}_FILE" if each.secret else ""):
                    return (each,)
        other = tuple(each for each in self.settings if plain.removesuffix("_FILE") in each.aliases)
        groups = tuple(f"{spelling}__" for spelling in spellings)
        return other or tuple(each for each in self.settings if each.name.startswith(groups))

    def nearest(self, name: str) -> str:
        """Return the most similar name, path or alias; empty if none is similar."""
        names: dict[str, str] = {}
        for each in self.settings:
            for known in (each.name, each.path, *each.aliases):
                names.setdefault(known.lower(), known)
            names.setdefault(each.path.rpartition(".")[2], each.path)
        close = difflib.get_close_matches(name.strip().lower()[:200], names, n=1)
        return names[close[0]] if close else ""


def effective_settings(environ: Mapping[str, str] | None = None) -> EffectiveSettings:
    """Return the settings as this process would read them now. Never fails because of the environment."""
    problems, warnings = list[str](), list[str]()
    try:
        variables = environment.of_process(environ)
        warnings = conf.unknown_variables(environ)
    except ConfigError as error:  # the .env file cannot be read
        variables, problems = environment.Environment({}), [str(error)]
    reading = environment.read(conf.settings_list(), variables)
    tree, wrong = _validate(reading)
    return EffectiveSettings(
        settings=tuple(_effective(setting, tree, reading, wrong) for setting in conf.settings_list()),
        problems=(*problems, *dict.fromkeys(wrong.values())),
        warnings=tuple(warnings),
    )


def _validate(reading: Reading) -> tuple[BaseModel, dict[tuple[str, ...], str]]:
    """Return the tree without the wrong settings, and their problems by path."""
    wrong = dict(reading.problems)
    values = reading.values
    for _ in range(len(reading.used) + 1):
        try:
            return conf.MaestroSettings.model_validate(values), wrong
        except ValidationError as error:
            for path, sentence in conf.problems_of(error, reading):
                wrong.setdefault(path, sentence)
                values = _without(values, path)
    return conf.MaestroSettings(), wrong


def _without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy of nested values without the one at the path; empty for an empty path."""
    if not path:
        return {}
    head, *rest = path
    if head not in values or not rest:
        return {name: value for name, value in values.items() if name != head}
    return {**values, head: _without(values[head], tuple(rest))}


def _effective(
    setting: Setting, tree: BaseModel, reading: Reading, wrong: Mapping[tuple[str, ...], str]
) -> EffectiveSetting:
    value: Any = tree
    for part in setting.path:
        value = getattr(value, part, None)
    used = reading.used.get(setting.path)
    problem, text = wrong.get(setting.path, ""), ""
    if not problem:
        if used and not used.from_file and any(setting.path[:end] in wrong for end in range(len(setting.path))):
            # The settings of its group do not go together, so the tree lacks them: show what the variable holds.
            value = SecretStr(used.text) if setting.secret else used.text
        text = display_text(setting, value)
    same: dict[str, Any] = {name: getattr(setting, name) for name in ("name", "aliases", "help", "secret", "declared")}
    return EffectiveSetting(
        path=setting.dotted,
        type=type_text(setting),
        default=default_text(setting),
        value=text,
        source=Source.of(used) if used else Source(),
        shadows=tuple(map(Source.of, reading.shadowed.get(setting.path, ()))),
        problem=problem,
        **same,
    )


def display_text(setting: Setting, value: Any) -> str:
    """Return a value for display, its secret parts masked; empty where there is none."""
    if setting.secret:
        return _secret_text(value, url=URL_WITH_SECRET in setting.info.metadata)
    return ",".join(masked_url(text_of(each)) for each in (value if isinstance(value, LISTS) else [value]))


def _secret_text(value: Any, *, url: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr | SecretBytes):
        secret = value.get_secret_value()
        shown = masked_url(secret, parameters=True) if url and isinstance(secret, str) else MASKED
        return shown if secret else ""
    if isinstance(value, Mapping):
        return json.dumps({str(name): _secret_text(each) for name, each in value.items()}) if value else ""
    if isinstance(value, LISTS):
        return ",".join(_secret_text(each) for each in value)
    return MASKED if str(value) else ""


def masked_url(text: str, *, parameters: bool = False) -> str:
    """Mask user and password of an address, and the values of its query parameters that sound secret.

    With ``parameters`` the values of all of them are masked, and a text that is no address is masked whole.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        return MASKED if parameters else text
    if "@" in rest:  # up to the last one: a password may hold any character, even where that is wrong
        rest = f"{MASKED}@{rest.rpartition('@')[2]}"
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    kept = "&".join(
        f"{name}={MASKED if parameters or any(word in name.lower() for word in SECRET_WORDS) else value}"
        for name, _, value in pairs
    )
    return f"{scheme}://{rest}{'?' + kept if kept else ''}{'#' + MASKED if fragment else ''}"
