"""The rules that hold for one request: those of its wire format, of the provider's models, and the model's figures."""

import msgspec

from providers_app.model_data.facts import facts
from providers_app.model_data.library import host_of
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve, supports
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.rules import ANYTHING, FormatRules, ModelRule


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a request to ``model`` of the provider called ``name``.

    ``underlying`` is the vendor's own id of the model, where the session calls it otherwise. ``facts`` are its figures
    in model files and the configuration; ``None``: nothing is known. They alone decide what is left out, so that it
    does not depend on lists that were fetched lately. ``listed`` are those of such a list; they are used for advice
    where there are no ``facts``.
    """

    name: str
    model: str
    underlying: str = ""
    format: FormatRules = ANYTHING
    models: tuple[ModelRule, ...] = ()
    facts: ModelInfo | None = None
    listed: ModelInfo | None = None

    @property
    def known(self) -> ModelInfo:
        """The figures by which advice is given; without one of them it is not said."""
        return self.facts or self.listed or ModelInfo(id=self.model)


def rules_of(
    slug: str,
    model: str,
    credential: Credential,
    dialect: Dialect,
    *,
    session: str = "",
    listed: ModelInfo | None = None,
) -> Rules:
    """Return the rules for a request in ``dialect`` over a session with this credential; its secret is not used.

    ``session`` is the session's name, for figures that are configured for it. Raises ``UnknownProvider``.
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
        underlying=meant,
        format=declared(meant) if callable(declared) else ANYTHING,
        models=tuple(rule for rule in every if rule.concerns(meant, dialect.name)),
        facts=facts(slug, model, underlying=meant, host=host_of(credential.base_url), session=session),
        listed=listed,
    )


def plain_credential(slug: str) -> Credential:
    """Return a credential without a secret, of the provider's first kind: for rules that depend on no session."""
    auth_types = registry.card(slug).auth_types
    return Credential(auth_type=auth_types[0] if auth_types else "none")
