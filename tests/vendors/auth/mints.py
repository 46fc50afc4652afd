"""How each vendor's tokens look, and what its id tokens say."""

import secrets
from typing import Any

from tests.vendors.auth.keys import Signer
from tests.vendors.auth.records import Account

PREFIXES = {
    "anthropic": ("sk-ant-oat01-", "sk-ant-ort01-", "sk-ant-api03-"),
    "openai": ("", "rt_", "sk-proj-"),
    "google": ("ya29.", "1//0", ""),
    "openrouter": ("sk-or-v1-", "", "sk-or-v1-"),
    "entra": ("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.", "", ""),
}
NAMESPACE = "https://api.openai.com/auth"


def access_token(style: str, signer: Signer, account: Account, claims: dict[str, Any], *, jwt: bool) -> str:
    """An access token; Codex's is a JWT that says the account and the plan."""
    if jwt:
        namespace = {NAMESPACE: openai_claims(account), "https://api.openai.com/profile": {"email": account.email}}
        return signer.sign({**claims, **namespace, "sub": account.user_id, "jti": secrets.token_hex(8)})
    return PREFIXES[style][0] + secrets.token_urlsafe(40)


def refresh_token(style: str) -> str:
    """A refresh token."""
    return PREFIXES[style][1] + secrets.token_urlsafe(40)


def api_key(style: str) -> str:
    """A key that does not end."""
    return PREFIXES[style][2] + (secrets.token_hex(32) if style == "openrouter" else secrets.token_urlsafe(60))


def id_claims(style: str, account: Account, *, namespace: bool) -> dict[str, Any]:
    """What the id token says of the account."""
    claims: dict[str, Any] = {"email": account.email, "email_verified": True}
    if style == "openai":
        claims["sub"] = account.user_id
        if namespace:
            claims[NAMESPACE] = openai_claims(account)
    else:
        claims["sub"] = account.id
    return claims


def openai_claims(account: Account) -> dict[str, Any]:
    """The claims below OpenAI's own name; without an organization and a project there are none of them."""
    claims: dict[str, Any] = {
        "chatgpt_account_id": account.id,
        "chatgpt_plan_type": account.plan,
        "chatgpt_user_id": account.user_id,
        "user_id": account.user_id,
        "groups": [],
        "organizations": [],
        "completed_platform_onboarding": account.organization_id is not None,
        "is_org_owner": True,
    }
    if account.organization_id:
        claims["organization_id"] = account.organization_id
        claims["organizations"] = [
            {"id": account.organization_id, "is_default": True, "role": "owner", "title": "Local organization"}
        ]
    if account.project_id:
        claims["project_id"] = account.project_id
    return claims
