"""The account of a login: from the token endpoint's answer, else from the profile endpoint."""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.credentials import credential_of
from providers_app.behaviours.keys import bearer
from providers_app.behaviours.lookups import ask, json_of
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.errors import ProviderError
from providers_app.providers.anthropic.requests import SLUG
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import Tokens
from providers_app.wire import payload
from providers_app.wire.client import Http

MAX_FACT = 200


def named(tokens: Tokens, answer: Mapping[str, Any]) -> Tokens:
    """``tokens`` with the account and the organization of an answer; a known account stays as it is."""
    account, organization = payload.mapping(answer.get("account")), payload.mapping(answer.get("organization"))
    if tokens.account_id or not word(account.get("uuid")):
        return tokens
    email, company = word(account.get("email_address")) or word(account.get("email")), word(organization.get("name"))
    facts = {"organization_id": word(organization.get("uuid")), "organization": company}
    return msgspec.structs.replace(
        tokens,
        account_id=word(account.get("uuid")),
        account_label=f"{email} ({company})" if email and company else email or company,
        facts={**tokens.facts, **{name: value for name, value in facts.items() if value}},
    )


async def with_profile(tokens: Tokens, http: Http) -> Tokens:
    """Add the account by the profile endpoint. A name is not worth a login: if that fails, the tokens stay."""
    url = conf.provider(SLUG).oauth.profile_url
    if not url:
        return tokens
    request = HttpRequest(method="GET", url=url, headers={"accept": "application/json"})
    try:
        found = json_of(await ask(bearer(credential_of(tokens), request), http, DIALECT))
    except ProviderError:
        return tokens
    return named(tokens, payload.mapping(found))


def word(value: Any) -> str:
    """Return a short printable text; an empty one for anything else."""
    text = payload.text(value)
    return text.strip() if len(text) <= MAX_FACT and text.isprintable() else ""
