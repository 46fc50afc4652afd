"""The Codex CLI's ``auth.json`` (``$CODEX_HOME``, by default ``~/.codex``): a key, or tokens that the CLI refreshes.

Fields as in codex-rs ``login/src/auth/storage.rs``: ``OPENAI_API_KEY``, ``tokens{id_token, access_token, account_id}``.
It has no expiry: the access token's own ``exp`` says when it ends. The refresh token is not taken over: it is accepted
once, and the CLI goes on using it.
"""

from functools import partial
from typing import Any

from providers_app import conf
from providers_app.behaviours.oauth.enabled import setting_for
from providers_app.behaviours.oauth.id_token import unverified_claims
from providers_app.providers.openai import account
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin, ImportFormat, held_elsewhere, unusable
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire import payload

SLUG = "openai"
FLOW = "codex"
KEY = "OPENAI_API_KEY"
CODEX = ImportFormat(name="codex", label="Codex CLI", place="~/.codex/auth.json")


class OpenAIImports:
    """Key and tokens of the Codex CLI."""

    formats = (CODEX,)

    def recognises(self, found: Any) -> str:
        """``codex`` for its file."""
        return CODEX.name if KEY in payload.mapping(found) or _tokens_in(found) else ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """Read a key and a ChatGPT login, each where the file has one."""
        logins: list[ImportedLogin] = []
        for found in files:
            if key := payload.text(payload.mapping(found).get(KEY)):
                secret = Secret(key)
                logins.append(
                    ImportedLogin(provider=SLUG, auth_type="api_key", name="codex_key", where=KEY, secret=secret)
                )
            if tokens := _tokens_in(found):
                logins.append(_login(tokens))
        return logins or [unusable("the file", "It holds neither a key nor tokens.", provider=SLUG)]


def _login(found: dict[str, Any]) -> ImportedLogin:
    problem = partial(unusable, "tokens", provider=SLUG, auth_type="oauth")
    if FLOW not in conf.provider(SLUG).enabled_flows:
        return problem(
            f"OpenAI offers this login to the Codex CLI only. An administrator can allow it: {setting_for(SLUG, FLOW)}."
        )
    access, identity = payload.text(found.get("access_token")), payload.text(found.get("id_token"))
    if not access:
        return problem("There is no access token.")
    ends = unverified_claims(Secret(access)).get("exp")
    if not isinstance(ends, int | float):
        return problem("The tokens are not in the form that OpenAI issues.")
    who = account.read(unverified_claims(Secret(identity)) if identity else {})
    facts = account.facts(who, account.detect(who, "chatgpt"), FLOW)
    if given := payload.text(found.get("account_id")):
        facts.setdefault("account_id", given[:99])
    tokens = Tokens(
        flow=FLOW,
        access=Secret(access),
        expires_at=float(ends),
        client=OAuthClient(id=conf.provider(SLUG).oauth.client_id),
        issuer=conf.provider(SLUG).oauth.issuer,
        account_id=who.identity or facts.get("account_id", ""),
        account_label=who.email,
        facts=facts,
        read_only=held_elsewhere("The Codex CLI"),
    )
    note = "Read-only: the Codex CLI goes on refreshing this login."
    return ImportedLogin(provider=SLUG, auth_type="oauth", name="codex_cli", where="tokens", tokens=tokens, note=note)


def _tokens_in(found: Any) -> dict[str, Any]:
    """Return the tokens of a file; nothing where it has none."""
    tokens = payload.mapping(payload.mapping(found).get("tokens"))
    return tokens if "access_token" in tokens else {}


BEHAVIOUR = OpenAIImports()
