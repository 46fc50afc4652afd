"""Workload identity federation: this workload's own identity token becomes an access token (RFC 7523).

The identity token is read anew for each access token, because its issuer replaces it. As the vendor's SDK does
it: https://github.com/anthropics/anthropic-sdk-python, ``src/anthropic/lib/credentials/_workload.py``.
"""

import asyncio
import time
from pathlib import Path

from providers_app import conf
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, origin_of, tokens_from
from providers_app.behaviours.oauth.grants import jwt_bearer
from providers_app.errors import BadRequest, FlowDisabled, LoginError, TokenRefused, UpstreamError
from providers_app.providers.anthropic.config import Config, FederationConfig
from providers_app.providers.anthropic.requests import BETA, SLUG, with_beta
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http
from providers_app.wire.status import recast

FEDERATION = "federation"
MAX_ASSERTION = 16 * 1024
"""Bytes; identity tokens are a quarter of that, a file that is larger is something else."""
TTL_S = 3600.0
_REJECTED = (
    "Check that it has not expired, and that issuer, subject and audience are those of the federation rule. The "
    "console lists each attempt under Workload identity. A rule for several workspaces needs a workspace_id."
)
_SETTING = "Check MAESTRO_PROVIDERS__ANTHROPIC__FEDERATION__TOKEN_FILE."


def unconfigured(chosen: FederationConfig) -> str:
    """Name the settings that the operator has to set; empty where none is missing."""
    names = ", ".join(f"MAESTRO_PROVIDERS__ANTHROPIC__FEDERATION__{name.upper()}" for name in chosen.missing)
    return f"Not set up on this Maestro. It needs {names}." if names else ""


def require_configured(chosen: FederationConfig) -> None:
    """Raise ``FlowDisabled`` where a setting is missing."""
    if hint := unconfigured(chosen):
        raise FlowDisabled("Workload identity federation is not set up.", hint=hint)


async def mint(http: Http, before: Tokens | None = None) -> Tokens:
    """Obtain a new access token for the identity that ``before`` had. Raise ``UpstreamError``, ``FlowDisabled``.

    Raises ``LoginError`` for an unreadable identity token and ``TokenRefused`` if the settings name another identity.
    """
    config: Config = conf.provider(SLUG)
    chosen = config.federation
    require_configured(chosen)
    client = OAuthClient(id=chosen.federation_rule_id)
    account = "/".join(filter(None, (chosen.organization_id, chosen.service_account_id, chosen.workspace_id)))
    if before is not None and (before.client.id, before.account_id) != (client.id, account):
        raise TokenRefused("The federation rule or the account that is set up is not the one of this login any more.")
    url = chosen.token_url or f"{config.base_url.rstrip('/')}/v1/oauth/token"
    headers = {BETA: with_beta(config.oauth.beta, chosen.beta)}
    endpoint = TokenEndpoint(url=url, encoding="json", headers=headers)
    names = ("federation_rule_id", "organization_id", "service_account_id", "workspace_id")
    fields: dict[str, str] = {name: getattr(chosen, name) for name in names}
    try:
        answer = await jwt_bearer(endpoint, await identity_token(chosen.token_file), http, extra=fields)
    except UpstreamError as error:
        if isinstance(error, TokenRefused) or error.status in (401, 403):
            # Not final, unlike other refusals: the next identity token, or a corrected rule, may be taken.
            code = f"{error.upstream_code}, " if error.upstream_code else ""
            message = f"Anthropic does not take this workload's identity token ({code}status {error.status})."
            raise recast(error, BadRequest, _REJECTED, message) from None
        raise
    found = tokens_from(answer, flow=FEDERATION, client=client, now=time.time(), before=before, default_ttl=TTL_S)
    return Tokens(
        flow=FEDERATION,
        access=found.access,
        expires_at=found.expires_at,
        scopes=found.scopes,
        client=client,
        issuer=origin_of(url),
        account_id=account,
        account_label=chosen.service_account_id or f"organization {chosen.organization_id}",
        facts={"organization_id": chosen.organization_id},
        # It says that tokens can be made anew; the identity token itself is never kept.
        material={"federation_rule_id": Secret(chosen.federation_rule_id)},
    )


async def identity_token(path: str) -> Secret:
    """Read the token in the operator's file. Raise ``LoginError``, which quotes nothing of the file."""
    try:
        found = await asyncio.to_thread(_read, Path(path))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LoginError(f"The identity token of this workload cannot be read: {why}.", hint=_SETTING) from None
    text = found.strip()
    # Three parts in base64url (RFC 7515 section 3.1); all else would only be refused far away.
    if len(found) > MAX_ASSERTION or text.count(b".") != 2 or not all(33 <= byte <= 126 for byte in text):
        raise LoginError("The file of the identity token does not hold a JWT.", hint=_SETTING)
    return Secret(text.decode("ascii"))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_ASSERTION + 1)
