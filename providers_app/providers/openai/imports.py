"""The Codex CLI's ``auth.json`` (``$CODEX_HOME``, by default ``~/.codex``): a key, or tokens that the CLI refreshes.

Fields as in codex-rs ``login/src/auth/storage.rs``: ``OPENAI_API_KEY``, ``tokens{id_token, access_token, account_id}``.
It has no expiry: the access token's own ``exp`` says when it ends. The refresh token is not taken over: it is accepted
once, and the CLI goes on using it.
"""

from collections.abc import Mapping
from typing import Any

from providers_app import conf
from providers_app.behaviours.oauth.enabled import setting_for
from providers_app.behaviours.oauth.id_token import unverified_claims
from providers_app.providers.openai import account
from providers_app.types.credentials import Secret
from providers_app.types.imports import ImportedLogin, ImportFormat, held_elsewhere, unusable
from providers_app.types.tokens import OAuthClient, Tokens

SLUG = "openai"
FLOW = "codex"
CODEX = ImportFormat(name="codex", label="Codex CLI", place="~/.codex/auth.json")


class OpenAIImports:
    """Key and tokens of the Codex CLI."""

    formats = (CODEX,)

    def recognises(self, found: Any) -> str:
        """``codex`` for its file."""
        fits = isinstance(found, Mapping) and ("OPENAI_API_KEY" in found or _tokens_in(found) is not None)
        return CODEX.name if fits else ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """Read a key and a ChatGPT login, each where the file has one."""
        logins: list[ImportedLogin] = []
        for found in files:
            key = found.get("OPENAI_API_KEY") if isinstance(found, Mapping) else None
            if isinstance(key, str) and key:
                named = "codex_key"
                secret = Secret(key)
                logins.append(
                    ImportedLogin(provider=SLUG, auth_type="api_key", name=named, where="OPENAI_API_KEY", secret=secret)
                )
            tokens = _tokens_in(found)
            if tokens is not None:
                logins.append(_login(tokens))
        return logins or [unusable("the file", "It holds neither a key nor tokens.", provider=SLUG)]


def _login(found: Mapping[str, Any]) -> ImportedLogin:
    where = "tokens"
    if FLOW not in conf.provider(SLUG).enabled_flows:
        problem = (
            "OpenAI does not offer the Codex CLI's login to other programs. An operator may allow it with "
            f"{setting_for(SLUG, FLOW)}."
        )
        return unusable(where, problem, provider=SLUG, auth_type="oauth")
    access, identity = found.get("access_token"), found.get("id_token")
    if not isinstance(access, str) or not access:
        return unusable(where, "There is no access token.", provider=SLUG, auth_type="oauth")
    ends = unverified_claims(Secret(access)).get("exp")
    claims = unverified_claims(Secret(identity)) if isinstance(identity, str) and identity else {}
    if not isinstance(ends, int | float):
        return unusable(where, "The tokens are not in the form that OpenAI issues.", provider=SLUG, auth_type="oauth")
    who = account.read(claims)
    given = found.get("account_id")
    facts = account.facts(who, account.detect(who, "chatgpt"), FLOW)
    if isinstance(given, str) and given:
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
    return ImportedLogin(provider=SLUG, auth_type="oauth", name="codex_cli", where=where, tokens=tokens, note=note)


def _tokens_in(found: Any) -> Mapping[str, Any] | None:
    tokens = found.get("tokens") if isinstance(found, Mapping) else None
    return tokens if isinstance(tokens, Mapping) and "access_token" in tokens else None


BEHAVIOUR = OpenAIImports()
