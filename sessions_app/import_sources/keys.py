"""Keys as other programs keep them: the llm tool's ``keys.json``, ``.env`` files, this installation's environment."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from providers_app import environment_keys
from providers_app.registry import file_formats
from providers_app.registry.discovery import list_providers
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin, unusable

LONGEST_NAME = 30  # characters of a name that is quoted: keys of providers are longer, names of them are not
LARGEST = 1024 * 1024  # bytes of a file of another program that are read
_LINE = re.compile(
    r"^[ \t]*(?:(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*"
    r"(?:(?P<quote>[\"'])(?P<quoted>(?:(?!(?P=quote))[\s\S])*)(?P=quote)[ \t]*(?:#.*)?$|(?P<plain>.*))|(?P<other>.*))",
    re.MULTILINE,
)
_KEY_NAMES = re.compile(r"^(.+?)_(?:API_KEY|API_TOKEN|KEY)S?$")
_ADDRESS_NAMES = re.compile(r"^(.+?)_(?:BASE_URL|API_BASE|API_BASE_URL|API_URL|ENDPOINT)$")


def slug_of(name: str, slugs: Collection[str]) -> str:
    """Return the slug of the installed provider that a program means by this name, else an empty string."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    if plain in slugs:
        return plain
    called = (card.slug for card in list_providers() if plain in card.also_called)
    return next((slug for slug in called if slug in slugs), "")


def shown(name: str) -> str:
    """Quote a name out of a file for a message; one long enough to be a misplaced key is only counted."""
    return repr(name) if len(name) <= LONGEST_NAME else f"of {len(name)} characters"


def read_llm(found: Mapping[str, Any], slugs: Collection[str]) -> list[ImportedLogin]:
    """Read ``{"openai": "sk-...", "// Note": "..."}``, one key per name."""
    logins, servers = [], _servers(slugs)
    for name, value in found.items():
        if name.startswith("//"):
            continue
        where = f"the key {shown(name)}"
        whose = _known(name, slugs, servers)
        if not isinstance(value, str) or not value.strip():
            logins.append(unusable(where, "It is empty or no text.", provider=whose))
        elif not whose:
            logins.append(unusable(where, "No installed provider has this name."))
        else:
            logins.append(_key(whose, "llm", where, value, servers))
    return logins


def read_env(text: str, slugs: Collection[str]) -> list[ImportedLogin]:
    """Read ``NAME_API_KEY=value``, the keys of ``NAME_API_KEYS``, and the address beside them; name all other lines."""
    servers, found = _servers(slugs), list(_assignments(text))
    kinds = ((environment_keys.FIELD, _KEY_NAMES), (environment_keys.ADDRESS_FIELD, _ADDRESS_NAMES))
    declared = [(environment_keys.slugs_by_name(field), pattern) for field, pattern in kinds]

    def whose(name: str, kind: int) -> str:
        named, pattern = declared[kind]
        stem = pattern.match(name.upper())
        return named.get(name) or (_known(stem[1], slugs, servers) if stem else "")

    addresses: dict[str, set[str]] = {}
    for _, name, value in found:
        if value and (known := whose(name, 1)):
            addresses.setdefault(known, set()).add(value)
    keyed = {whose(name, 0) for _, name, value in found if value} - {""}
    logins = []
    for number, name, value in found:
        where, known, beside = f"line {number}, {name[:60]}".rstrip(", "), whose(name, 0), whose(name, 1)
        problems = (
            (not name, "It is not NAME=value."),
            (not known and beside, "No key of this provider is beside it."),
            (not known, "It is no key of a provider."),
            (not value, "It is empty."),
            (value.startswith("$"), "It names another variable instead of a key."),
            (len(addresses.get(known, ())) > 1, "The file names several addresses for it."),
        )
        problem = next((text for met, text in problems if met), "")
        if problem and beside not in keyed:
            logins.append(unusable(where, problem, provider=known))
        elif known and not problem:
            keys = re.split(r"[;,\s\[\]]+", value) if name.upper().endswith("S") else [value]
            base_url = next(iter(addresses.get(known, ())), "")
            logins += [_key(known, "env", where, key, servers, base_url) for key in keys if key]
    return logins


def read_environment() -> list[ImportedLogin]:
    """Read the keys and files that this installation's environment names: one login each, or why it is unusable."""
    found = [
        _key(slug, "env", f"the setting {environment_keys.names_of(slug)[0]}", key.reveal(), {}, address)
        for slug, key in environment_keys.found().items()
        for address in (environment_keys.address_of(slug),)
    ]
    return found + [_file(slug, path) for slug, path in environment_keys.files().items()]


def _file(slug: str, path: str) -> ImportedLogin:
    """Read the login in the file, by whichever format of the provider can."""
    where = f"the file of {environment_keys.names_of(slug, environment_keys.FILE_FIELD)[0]}"
    try:
        with Path(path).expanduser().open(encoding="utf-8-sig") as file:
            decoded = json.loads(file.read(LARGEST))
    except OSError as error:
        return unusable(where, f"It cannot be read: {error.strerror}.", provider=slug)
    except (ValueError, RecursionError):
        return unusable(where, "It is no JSON.", provider=slug)
    problems = []
    for name, (owner, _) in file_formats.formats().items():
        for login in file_formats.read(name, (decoded,)) if owner == slug else ():
            if not login.problem:
                return msgspec.structs.replace(login, where=where)
            problems.append(login.problem)
    return unusable(where, " Or: ".join(problems) or "The provider reads no such files.", provider=slug)


def _key(
    whose: str, name: str, where: str, value: str, servers: Mapping[str, tuple[str, str]], base_url: str = ""
) -> ImportedLogin:
    """Return the login of a key. With the address of another host it is a session of the provider for such servers."""
    slug, option = servers.get(whose) or (environment_keys.provider_at(whose, base_url), "")
    return ImportedLogin(
        provider=slug,
        auth_type="api_key",
        name=f"{name}_{whose}",
        where=where,
        secret=Secret(value),
        base_url=base_url,
        settings={option: whose} if option else {},
        note=f"Used at {base_url} only." if base_url else "",
    )


def _servers(slugs: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the provider and the option of each server that has an address of its own (``groq``), by its name."""
    options = ((card.slug, field) for card in list_providers() if card.slug in slugs for field in card.settings)
    pairs = ((slug, field, zip(field.choices, field.addresses, strict=False)) for slug, field in options)
    return {choice: (slug, field.name) for slug, field, both in pairs for choice, address in both if address}


def _known(name: str, slugs: Collection[str], servers: Collection[str]) -> str:
    """Return the provider or server that a program means by this name, else an empty string."""
    plain = name.strip().lower()
    return slug_of(name, slugs) or (plain if plain in servers else "")


def _assignments(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, name and value of each line but comments; a quoted value may have several lines."""
    text, number, last = text.lstrip("\ufeff").replace("\r\n", "\n"), 1, 0
    for match in _LINE.finditer(text):
        number, last = number + text.count("\n", last, match.start()), match.start()
        if match["quoted"] is not None:
            yield number, match["name"], match["quoted"].strip()
        elif match["name"]:
            yield number, match["name"], re.split(r"(?:^|\s)#", match["plain"], maxsplit=1)[0].strip()
        elif match["other"].strip() and not match["other"].lstrip().startswith("#"):
            yield number, "", ""
