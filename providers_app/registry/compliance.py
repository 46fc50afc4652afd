"""Findings about provider packages, with stable ids. Pure: ``apps`` turns them into system checks.

E001 bad slug                      E009 missing module              E015 auth type without its behaviour
E002 duplicate slug                E010 no BEHAVIOUR                E016 capability without its behaviour
E003 import error                  E011 member missing              W001 behaviour without its capability
E004 no PROVIDER                   E012 wrong signature             W002 setting without help
E005 slug differs from the folder  E013 must be async               W003 behaviour without its auth type
E006 unknown capability            E014 must not be async           W004 card incomplete
E007 unknown auth type
E008 missing or invalid config     E017 models.json cannot be used    E018 continuing cannot be kept
"""

from contextlib import suppress
from types import ModuleType
from typing import Any, Literal, get_args

import msgspec
from pydantic import BaseModel

from providers_app.behaviours.contract import violations
from providers_app.behaviours.protocols import Continued, Resumable, SeveralDialects, Unsupported
from providers_app.errors import ProviderBroken
from providers_app.model_data.library import library
from providers_app.registry import settings
from providers_app.registry.discovery import OPERATIONS, Registry, Rejected, card_problem, registry
from providers_app.registry.resolver import OPTIONAL, PROTOCOLS
from providers_app.types.catalogue import AuthType, CapabilityName, ProviderInfo
from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import UNDECLARED, Continuing
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect, Reducer

# What an answer may have, with some models: the behaviour does not bring it.
OF_ANSWERS = ("tools", "parallel_tools", "reasoning", "images_in", "structured_output")
# Each capability and auth type, and the behaviour that does it.
NEEDS = {"models": "models", "count_tokens": "counting"} | dict.fromkeys(
    ("chat", "streaming", *OF_ANSWERS), "streaming"
)
AUTH_NEEDS = {"oauth": "oauth", "api_key": "api_key"}
PROBE = ChatRequest(model="model", messages=(), resumable=True)
MEMBER_IDS = {"missing": "E011", "signature": "E012", "must_be_async": "E013", "must_be_sync": "E014"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is stable (``maestro.providers.E003``), ``slug`` the provider it is about, ``hint`` what to do."""

    id: str
    slug: str
    message: str
    hint: str

    @property
    def level(self) -> Literal["error", "warning"]:
        """By the letter of the id."""
        return "error" if self.id.rpartition(".")[2].startswith("E") else "warning"


def findings(source: Registry = registry) -> list[Finding]:
    """Return every finding about any provider, by slug."""
    found = [_rejected(loser) for loser in source.rejected()]
    for slug in source.packages():
        found += _Package(slug, source).judge()
    return found


def _rejected(loser: Rejected) -> Finding:
    package = f"{loser.module} ({loser.source})"
    if loser.problem == "duplicate":
        message = f"{package} has the slug of {loser.winner}, which is used instead."
        return _finding("E002", loser.slug, message, "Choose another slug, or uninstall one of the two.")
    hint = "A slug has 2 to 40 lower-case letters, digits and _, and begins with a letter."
    return _finding("E001", loser.slug, f"{package} has the slug {loser.slug!r}, which is not valid.", hint)


class _Package:
    """One package under examination."""

    def __init__(self, slug: str, source: Registry) -> None:
        self.slug = slug
        self.source = source
        self.found: list[Finding] = []
        self.supported: set[str] = set()

    def judge(self) -> list[Finding]:
        if settings.reserved(self.slug):
            self.add("E001", f"The slug {self.slug!r} is reserved.", "Choose another slug.")
        if (module := self.load("")) is None:
            return self.found
        card = self.card(module)
        for operation in (*OPERATIONS, *OPTIONAL):
            self.behaviour(operation)
        self.config()
        for path, problem in library.problems(self.slug):
            hint = "Mend or remove the file (docs/models.md); until then what it told of models is not known."
            self.add("E017", f"The model file {path} is not used: {problem}.", hint)
        if card is not None:
            self.claims(card)
        return self.found

    def add(self, number: str, message: str, hint: str) -> None:
        self.found.append(_finding(number, self.slug, message, hint))

    def load(self, part: str) -> ModuleType | None:
        try:
            return self.source.load(self.slug, part)
        except ProviderBroken as error:
            cause = error.__cause__
            kind = type(cause).__name__ if cause is not None else "error"
            message = f"{self.slug}{'.' + part if part else ''} cannot be imported: {kind}: {cause}"
            hint = "Install what it needs, or remove the package; the other providers are not affected."
            self.add("E003", message, hint)
            return None

    def part(self, name: str, missing: str, hint: str) -> ModuleType | None:
        """Load a module of the package; where it has to be there and is not, add the finding ``missing``."""
        if self.source.has_part(self.slug, name):
            return self.load(name)
        if name not in OPTIONAL:
            self.add(missing, f"{self.slug} has no module {name}.", hint)
        return None

    def card(self, module: ModuleType) -> ProviderInfo | None:
        card = getattr(module, "PROVIDER", None)
        if not isinstance(card, ProviderInfo):
            hint = "Define PROVIDER = ProviderInfo(...) in the package's __init__.py."
            self.add("E004", f"{module.__name__} defines no PROVIDER.", hint)
            return None
        if problem := card_problem(card):
            self.add("E004", f"{module.__name__}.PROVIDER {problem}.", "Compare it with types.catalogue.ProviderInfo.")
            return None
        if card.slug != self.slug:
            message = f"{module.__name__} calls itself {card.slug!r}, but its folder or entry point is {self.slug!r}."
            self.add("E005", message, "Give both the same name.")
        abilities, auth_types = get_args(CapabilityName), get_args(AuthType)
        for name in sorted(set(map(str, card.capabilities.names)) - set(abilities)):
            self.add("E006", f"{self.slug} claims the unknown capability {name!r}.", f"Known: {', '.join(abilities)}.")
        for name in (name for name in card.auth_types if name not in auth_types):
            self.add("E007", f"{self.slug} has the unknown auth type {name!r}.", f"Known: {', '.join(auth_types)}.")
        if not card.auth_types:
            self.add("E007", f"{self.slug} has no auth type, so no session can be made.", "Name at least one.")
        if not (card.name and card.description and len(card.monogram) == 2):
            hint = "Give name, description and a monogram of two letters."
            self.add("W004", f"The card of {self.slug} is incomplete.", hint)
        return card

    def behaviour(self, operation: str) -> None:
        hint = f'Add {operation}.py; where there is nothing to do: BEHAVIOUR = Unsupported("why").'
        if (module := self.part(operation, "E009", hint)) is None:
            return
        if not hasattr(module, "BEHAVIOUR"):
            hint = f"Define BEHAVIOUR, a value with the methods of behaviours.{operation}."
            self.add("E010", f"{module.__name__} defines no BEHAVIOUR.", hint)
            return
        behaviour = module.BEHAVIOUR
        if isinstance(behaviour, Unsupported):
            return
        self.supported.add(operation)
        where = f"{module.__name__}.BEHAVIOUR"
        fits = self.members(where, behaviour, PROTOCOLS[operation])
        if operation == "streaming" and hasattr(behaviour, "dialect_of"):
            fits = self.members(where, behaviour, SeveralDialects) and fits
        if operation == "streaming" and fits and self.members(f"{where}.dialect", behaviour.dialect, Dialect):
            try:
                self.members(f"{where}.dialect.reducer()", behaviour.dialect.reducer(), Reducer)
            except Exception as error:  # noqa: BLE001  it is code of the provider
                hint = "It is called without arguments and gives a value with feed and close."
                self.add("E011", f"{where}.dialect.reducer() fails with {type(error).__name__}.", hint)
            self.continuing(where, behaviour)

    def continuing(self, where: str, behaviour: Any) -> None:
        """Check how broken answers are declared to go on: known ways, the best first, a cursor with its requests."""
        dialects = {"dialect": behaviour.dialect}
        if hasattr(behaviour, "dialect_of"):
            with suppress(Exception):  # it may need more of a credential than there is here
                dialects["dialect_of()"] = behaviour.dialect_of(PROBE.model, Credential(auth_type="api_key"))
        for name, dialect in dialects.items():
            place = f"{where}.{name}"
            if not hasattr(dialect, "continuing") or not self.members(place, dialect, Continued):
                continue
            hint = "Return types.continuing.Continuing with ways of WAYS, the best first; without it, leave it out."
            try:
                declared = dialect.continuing(PROBE)
                fault = declared.fault if isinstance(declared, Continuing) else "returns no Continuing"
            except Exception as error:  # noqa: BLE001  it is code of the provider
                declared, fault = UNDECLARED, f"fails with {type(error).__name__}"
            if fault:
                self.add("E018", f"{place}.continuing() {fault}.", hint)
            elif "cursor" in declared.ways:
                self.members(where, behaviour, Resumable)

    def members(self, where: str, value: Any, protocol: type) -> bool:
        """Return whether ``value`` has the shape of ``protocol``; each violation becomes a finding."""
        found = violations(value, protocol)
        for violation in found:
            hint = f"Compare it with {protocol.__module__}.{protocol.__name__}."
            self.add(MEMBER_IDS[violation.problem], f"{where} {violation.message}.", hint)
        return not found

    def config(self) -> None:
        hint = "Define class Config(pydantic.BaseModel) with frozen settings that all have defaults, in config.py."
        if (module := self.part("config", "E008", hint)) is None:
            return
        config = getattr(module, "Config", None)
        if not (isinstance(config, type) and issubclass(config, BaseModel)):
            self.add("E008", f"{module.__name__} defines no pydantic model Config.", hint)
            return
        if not config.model_config.get("frozen"):
            self.add("E008", f"{module.__name__}.Config is not frozen.", hint)
        try:
            config()
        except Exception as error:  # noqa: BLE001  a validator may raise anything
            self.add("E008", f"{module.__name__}.Config has no complete defaults: {type(error).__name__}.", hint)
        for name, field in config.model_fields.items():
            if not field.description:
                message = f"{module.__name__}.Config.{name} says nothing of what it is for."
                self.add("W002", message, "Give it a description: Field(..., description=...).")

    def claims(self, card: ProviderInfo) -> None:
        """Compare what the card claims with the behaviours that are there."""
        for needs, claimed, place, verb, too_much, too_little in (
            (NEEDS, card.capabilities, "PROVIDER.capabilities", "claim", "E016", "W001"),
            (AUTH_NEEDS, card.auth_types, "PROVIDER.auth_types", "offer", "E015", "W003"),
        ):
            for name, operation in needs.items():
                if name in claimed and operation not in self.supported:
                    message = f"{self.slug} {verb}s {name}, but its {operation} behaviour is missing or Unsupported."
                    self.add(too_much, message, f"Take {name} out of {place}, or add the behaviour.")
                elif name not in claimed and name not in OF_ANSWERS and operation in self.supported:
                    message = f"{self.slug} has the behaviour {operation}, but does not {verb} {name}."
                    self.add(too_little, message, f"Add {name} to {place}.")


def _finding(number: str, slug: str, message: str, hint: str) -> Finding:
    return Finding(id=f"maestro.providers.{number}", slug=slug, message=message, hint=hint)
