"""The rules that hold for one request: those of the wire format that is spoken, and of the provider's models."""

import msgspec

from providers_app.model_data.facts import facts, host_of
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve, supports
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.rules import ANYTHING, FormatRules, ModelRule


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a request to ``model`` of the provider called ``name``, in the wire format ``dialect``.

    ``underlying`` is the vendor's own id of the model, where the session calls it otherwise.
    """

    name: str
    model: str
    dialect: str
    underlying: str = ""
    format: FormatRules = ANYTHING
    models: tuple[ModelRule, ...] = ()


def rules_of(slug: str, model: str, credential: Credential, dialect: Dialect) -> Rules:
    """Return the rules for a request in ``dialect`` that is signed with this credential.

    Raises ``UnknownProvider``.
    """
    declared = getattr(dialect, "rules", None)
    every: tuple[ModelRule, ...] = ()
    meant = model
    if supports(slug, "rules"):
        behaviour = resolve(slug, "rules")
        every, meant = behaviour.of(model, credential), behaviour.underlying(model, credential)
    return Rules(
        name=registry.card(slug).name,
        model=model,
        dialect=dialect.name,
        underlying=meant,
        format=declared(meant) if callable(declared) else ANYTHING,
        models=tuple(rule for rule in every if rule.concerns(meant, dialect.name)),
    )


def facts_of(slug: str, rules: Rules, credential: Credential, session: str = "") -> ModelInfo | None:
    """What the model files and the configuration say of the model, or ``None``; nobody is asked.

    ``session`` is the session's name.
    """
    return facts(slug, rules.model, underlying=rules.underlying, host=host_of(credential), session=session)


def plain_credential(slug: str) -> Credential:
    """A credential without a secret, of the provider's first kind: for rules that depend on no session."""
    auth_types = registry.card(slug).auth_types
    return Credential(auth_type=auth_types[0] if auth_types else "none")
