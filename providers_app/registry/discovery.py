"""Discovery of providers: a name for each package at the first scan, its code when it is first used.

Packages are the folders of ``providers_app.providers`` and the entry points of the group ``maestro.providers``, whose
name is the slug and whose value is the package: ``acme = "maestro_acme"``. A folder wins over an entry point of the
same slug, so that an installed package cannot take the place of a provider that ships with Maestro. A broken package
leaves the others in use.
"""

import importlib
import importlib.util
import logging
import pkgutil
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import msgspec

from providers_app import providers
from providers_app.errors import ProviderBroken, UnknownProvider
from providers_app.registry import options
from providers_app.text import nearest, quoted
from providers_app.types.catalogue import Capabilities, ProviderInfo, SettingField
from providers_app.types.http import LocalResponder

logger = logging.getLogger("maestro.registry")

ENTRY_POINTS = "maestro.providers"
SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}\Z")
OPERATIONS = ("oauth", "api_key", "streaming", "models")


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a provider's code; ``source`` says who brought it (``folder``, or the distribution's name)."""

    slug: str
    module: str
    source: str


class Rejected(Package, frozen=True, kw_only=True):
    """A package that was found but not taken, and why; ``winner`` is the module that has its slug."""

    problem: Literal["bad_slug", "duplicate"]
    winner: str = ""


class Registry:
    """The packages of one process and what was loaded of them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next call scans again. Imported modules stay imported."""
        with self._lock:
            self._packages: dict[str, Package] | None = None
            self._rejected: tuple[Rejected, ...] = ()
            self._cards: dict[str, ProviderInfo] = {}
            self._errors: dict[str, str] = {}
            self._resolved: dict[tuple[str, str], Any] = {}

    def packages(self) -> dict[str, Package]:
        """Return every package by slug, in alphabetical order; none is imported."""
        if (found := self._packages) is not None:
            return found
        with self._lock:
            return self._packages if self._packages is not None else self._scan()

    def rejected(self) -> tuple[Rejected, ...]:
        """Return what was found and not taken: bad slugs and duplicates."""
        self.packages()
        return self._rejected

    def card(self, slug: str) -> ProviderInfo:
        """Return the provider's ``PROVIDER`` card. Raises ``UnknownProvider``, ``ProviderBroken``."""
        card = self._cards.get(slug) if isinstance(slug, str) else None
        if card is None:
            module = self.package(slug).module
            card = getattr(self.load(slug), "PROVIDER", None)
            if not isinstance(card, ProviderInfo):
                raise self.broken(slug, f"{module} has no PROVIDER = ProviderInfo(...).")
            if problem := card_problem(card):
                raise self.broken(slug, f"{module}.PROVIDER {problem}.")
            if card.slug != slug:
                raise self.broken(slug, f"{module} calls itself {card.slug!r} but is installed as {slug!r}.")
            self._cards[slug] = card
        return card

    def load(self, slug: str, part: str = "") -> ModuleType:
        """Import the package, or its module ``part`` (``config``, ``streaming`` ...).

        Raises ``UnknownProvider`` with the nearest name, and ``ProviderBroken`` for any exception of the import.
        """
        package = self.package(slug)
        name = f"{package.module}.{part}" if part else package.module
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a provider's code may fail in any way; only this provider is lost
            raise self.broken(slug, f"{name} does not load: {type(error).__name__}: {error}") from error

    def has_part(self, slug: str, part: str) -> bool:
        """Return whether the package has a module ``part``. Imports the package, not the part."""
        module = self.load(slug)
        try:
            return importlib.util.find_spec(f"{module.__name__}.{part}") is not None
        except ImportError:  # the provider is one file and no package
            return False

    def local_responder(self, scheme: str) -> LocalResponder | None:
        """Return ``LOCAL`` of the module ``local`` in the package whose slug is this URL scheme, if there is one."""
        if scheme in ("http", "https") or scheme not in self.packages():
            return None
        responder: LocalResponder | None = self.cached(scheme, "local")
        if responder is None and self.has_part(scheme, "local"):
            responder = getattr(self.load(scheme, "local"), "LOCAL", None)
            self.remember(scheme, "local", responder)
        return responder

    def cached(self, slug: str, operation: str) -> Any:
        """Return the behaviour that ``remember`` kept, or ``None``."""
        return self._resolved.get((slug, operation)) if isinstance(slug, str) else None

    def remember(self, slug: str, operation: str, behaviour: Any) -> None:
        """Keep a behaviour that was found fit."""
        self._resolved[slug, operation] = behaviour

    def package(self, slug: Any) -> Package:
        """Return the package of a provider. Raises ``UnknownProvider`` with the nearest name."""
        packages = self.packages()
        if not isinstance(slug, str) or slug not in packages:
            raise UnknownProvider(f"There is no provider {quoted(slug)}.", hint=nearest(slug, packages))
        return packages[slug]

    def broken(self, slug: str, problem: str) -> ProviderBroken:
        """Return the error to raise for a provider that is not usable; each problem is logged once."""
        with self._lock:
            if self._errors.get(slug) != problem:
                self._errors[slug] = problem
                logger.error("provider %s is broken: %s", slug, problem)
        return ProviderBroken(f"The provider {slug!r} is broken: {problem}")

    def _scan(self) -> dict[str, Package]:
        found: dict[str, Package] = {}
        rejected: list[Rejected] = []
        for package in (*_folders(), *_installed()):
            winner, given = found.get(package.slug), msgspec.structs.asdict(package)
            if winner is not None:
                rejected.append(Rejected(**given, problem="duplicate", winner=winner.module))
            elif SLUG.match(package.slug):
                found[package.slug] = package
            else:
                rejected.append(Rejected(**given, problem="bad_slug"))
        self._rejected, self._packages = tuple(rejected), dict(sorted(found.items()))
        for package in self._packages.values():
            logger.info("provider %s: %s (%s)", package.slug, package.module, package.source)
        for loser in rejected:
            logger.error("provider %r of %s is not used: %s", loser.slug, loser.source, loser.problem)
        return self._packages


def card_problem(card: ProviderInfo) -> str:
    """Return what makes a card unusable, or an empty text; Python does not check the types of its fields."""
    for field in ("slug", "name", "monogram", "description", "key_hint", "key_url", "default_model", "general_model"):
        if not isinstance(getattr(card, field), str):
            return f"has a {field} that is no text"
    if not isinstance(card.capabilities, Capabilities) or not isinstance(card.capabilities.names, frozenset):
        return "has capabilities that are not Capabilities(names=frozenset(...))"
    for field, kind, problem in (
        ("auth_types", object, "auth_types that are no tuple"),
        ("settings", SettingField, "settings that are no tuple of SettingField"),
        ("also_called", str, "also_called that is no tuple of names"),
    ):
        value = getattr(card, field)
        if not isinstance(value, tuple) or not all(isinstance(one, kind) for one in value):
            return f"has {problem}"
    if len({field.name for field in card.settings}) < len(card.settings):
        return "declares an option twice"
    return next((problem for field in card.settings if (problem := options.field_problem(field))), "")


def _folders() -> list[Package]:
    found = pkgutil.iter_modules(providers.__path__)
    names = (each.name for each in found if each.ispkg and not each.name.startswith("_"))
    return [Package(slug=name, module=f"{providers.__name__}.{name}", source="folder") for name in names]


def _installed() -> list[Package]:
    if not any(_may_have_entry_points(Path(place)) for place in sys.path):
        return []
    from importlib.metadata import entry_points

    found = (
        (entry.name, entry.dist.name if entry.dist is not None else "an installed package", entry.value)
        for entry in entry_points(group=ENTRY_POINTS)
    )
    return [Package(slug=slug, module=value.partition(":")[0].strip(), source=by) for slug, by, value in sorted(found)]


def _may_have_entry_points(place: Path) -> bool:
    """Return whether a distribution in this folder of ``sys.path`` may bring a provider; ``entry_points`` is slow."""
    try:
        if place.is_file():  # an archive: too rare to be worth a look into it
            return True
        found = (*place.glob("*.dist-info/entry_points.txt"), *place.glob("*.egg-info/entry_points.txt"))
        return any(ENTRY_POINTS.encode() in path.read_bytes() for path in found)
    except OSError:
        return True


registry = Registry()
"""The one registry of the process."""


def list_providers() -> list[ProviderInfo]:
    """Return the cards of all providers that load, by name. A broken one is logged and left out."""
    cards = []
    for slug in registry.packages():
        with suppress(ProviderBroken):
            cards.append(registry.card(slug))
    return sorted(cards, key=lambda card: card.name.lower())
