"""The authorization server of Anthropic: code paste, JSON token requests, federation, a key out of a login.

``state`` belongs into the body of the exchange, the refresh token rotates, federation needs a beta header of its own
that a refresh must not carry (anthropic-sdk-python, ``lib/credentials``).
"""

from typing import Any

from tests.vendors.asgi import Answer, Reply, Request
from tests.vendors.auth import pages
from tests.vendors.auth.front import Answered, Asked, AuthFront, Routes, back, check_common, exact, read_json
from tests.vendors.auth.records import Access, FederationRule, Refusal, TokenSet
from tests.vendors.ledger import Entry
from tests.vendors.replies import bearer, json_reply

OAUTH_BETA = "oauth-2025-04-20"
FEDERATION_BETA = "oidc-federation-2026-04-01"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASKABLE = {
    *("code", "client_id", "response_type", "redirect_uri", "scope", "code_challenge", "code_challenge_method"),
    "state",
}


class AnthropicAuth(AuthFront):
    """``claude.ai``, ``console.anthropic.com`` and the account endpoints of ``api.anthropic.com``."""

    def routes(self) -> Routes:
        return {
            ("GET", "/oauth/authorize"): self.authorize,
            ("POST", "/oauth/authorize"): self.authorize,
            ("GET", "/oauth/code/callback"): self._callback,
            ("POST", "/v1/oauth/token"): self._token,
            ("POST", "/api/oauth/claude_cli/create_api_key"): self._create_key,
            ("GET", "/api/oauth/profile"): self._profile,
        }

    def check(self, path: str, query: dict[str, str]) -> Asked:
        client, uri, scopes = check_common(self.book, query, ASKABLE, needed={"code_challenge", "scope", "state"})
        return Asked(client, uri, scopes, query["state"], query["code_challenge"], query=query)

    def allow(self, asked: Asked, account: str) -> tuple[str, str]:
        code = self.book.new_code(
            client_id=asked.client.id,
            account=account,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            scopes=asked.scopes,
            state=asked.state,
            nonce="",
        ).code
        if asked.query.get("code") == "true" and asked.redirect_uri.endswith("/oauth/code/callback"):
            return "", f"{code}#{asked.state}"
        return back(asked.redirect_uri, code=code, state=asked.state), ""

    def _callback(self, request: Request, entry: Entry) -> Reply:
        if "error" in request.query:
            return pages.refused(request.query.get("error_description", request.query["error"]))
        return pages.code_page(f"{request.query.get('code', '')}#{request.query.get('state', '')}")

    # Tokens

    def _token(self, request: Request, entry: Entry) -> Any:
        body = read_json(request, _invalid)
        match body.get("grant_type"):
            case "authorization_code":
                needed = {"grant_type", "code", "state", "client_id", "redirect_uri", "code_verifier"}
                fields = exact(body, needed, set(), _invalid)
                return self.token_request(entry, fields, lambda: self._exchange(fields, entry))
            case "refresh_token":
                fields = exact(body, {"grant_type", "refresh_token", "client_id"}, {"scope"}, _invalid)
                if FEDERATION_BETA in _betas(request):
                    raise Answered(_invalid("the federation beta is not supported for this grant"))
                return self.token_request(entry, fields, lambda: self._refresh(fields, entry))
            case _ if body.get("grant_type") == JWT_BEARER:
                needed = {"grant_type", "assertion", "federation_rule_id", "organization_id"}
                fields = exact(body, needed, {"service_account_id", "workspace_id"}, _invalid)
                if not {OAUTH_BETA, FEDERATION_BETA} <= _betas(request):
                    raise Answered(_invalid("anthropic-beta: this grant needs the federation beta"))
                return self.token_request(entry, fields, lambda: self._federate(fields, entry))
        raise Answered(json_reply(400, {"error": "unsupported_grant_type", "error_description": "Unknown grant_type"}))

    def _exchange(self, fields: dict[str, str], entry: Entry) -> Reply:
        found = self.book.codes.get(fields["code"])
        if found is not None and found.state != fields["state"]:
            found.spent = True
            raise Refusal("state_mismatch")
        _, tokens = self.book.spend_code(
            fields["code"],
            client_id=fields["client_id"],
            redirect_uri=fields["redirect_uri"],
            verifier=fields["code_verifier"],
            entry=entry,
        )
        return json_reply(200, self._answer(tokens))

    def _refresh(self, fields: dict[str, str], entry: Entry) -> Reply:
        return json_reply(
            200, self._answer(self.book.spend_refresh(fields["refresh_token"], fields["client_id"], entry=entry))
        )

    def _answer(self, tokens: TokenSet) -> dict[str, Any]:
        account = self.book.accounts[tokens.account_id]
        return {
            "token_type": "Bearer",
            "access_token": tokens.access,
            "expires_in": tokens.expires_in,
            "refresh_token": tokens.refresh,
            "scope": " ".join(tokens.scopes),
            "organization": {"uuid": account.organization_id or f"org-{account.id}", "name": "Local organization"},
            "account": {"uuid": account.id, "email_address": account.email},
        }

    def _federate(self, fields: dict[str, str], entry: Entry) -> Reply:
        rule = self.book.rules.get(fields["federation_rule_id"])
        reason = "" if rule else "unknown_rule"
        if rule is not None:
            reason = self._assertion_refused(fields, rule)
        account = rule.account_id if rule else ""
        self.book.note("assertion", "", account, "", 0, fields["assertion"], reason, entry)
        if reason or rule is None:
            raise Refusal(reason)
        made = self.book.issue(account, f"federation-{rule.id}", ("user:inference",), refreshable=False)
        answer = {"token_type": "Bearer", "access_token": made.access, "expires_in": made.expires_in}
        return json_reply(200, answer)

    def _assertion_refused(self, fields: dict[str, str], rule: FederationRule) -> str:
        if fields["organization_id"] != rule.organization_id:
            return "wrong_organization"
        claims = self.book.verified(fields["assertion"])
        if claims is None:
            return "bad_assertion"
        if claims.get("iss") != rule.issuer or claims.get("sub") != rule.subject or claims.get("aud") != rule.audience:
            return "foreign_assertion"
        return "" if claims.get("exp", 0) > self.book.now() else "assertion_expired"

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        match fields.get("grant_type"):
            case "refresh_token":
                said = "Refresh token not found or invalid"
            case "authorization_code":
                said = "Invalid 'code' in request."
            case _:
                said = f"Assertion rejected: {reason}"
        return json_reply(400, {"error": "invalid_grant", "error_description": said})

    def limited(self, retry_after: float) -> Reply:
        error = {"type": "rate_limit_error", "message": "Rate limited. Please try again later."}
        return json_reply(429, {"type": "error", "error": error}, {"retry-after": f"{retry_after:g}"})

    # The account

    def _signed(self, request: Request, scope: str) -> Access:
        token = bearer(request.headers)
        state, found = self.book.access(token or "")
        if found is None or state != "valid":
            texts = {"expired": EXPIRED, "revoked": REVOKED}
            kind = "permission_error" if state == "revoked" else "authentication_error"
            raise Answered(_error(403 if state == "revoked" else 401, kind, texts.get(state, INVALID)))
        if scope not in found.scopes:
            raise Answered(_error(403, "permission_error", f"OAuth token does not meet scope requirement {scope}"))
        return found

    def _create_key(self, request: Request, entry: Entry) -> Answer:
        found = self._signed(request, "org:create_api_key")
        if request.body.strip() not in (b"", b"{}", b"null"):
            raise Answered(_invalid("the body must be empty"))
        return json_reply(200, {"raw_key": self.book.issue_key(found.account_id)})

    def _profile(self, request: Request, entry: Entry) -> Answer:
        found = self._signed(request, "user:profile")
        account = self.book.accounts[found.account_id]
        organization = {"uuid": account.organization_id or f"org-{account.id}", "name": "Local organization"}
        return json_reply(200, {"account": {"uuid": account.id, "email": account.email}, "organization": organization})


EXPIRED = "OAuth token has expired. Please obtain a new token or refresh your existing token."
REVOKED = "OAuth token has been revoked. Please obtain a new token."
INVALID = "Invalid authentication credentials"


def _betas(request: Request) -> set[str]:
    return {one.strip() for one in request.headers.get("anthropic-beta", "").split(",")}


def _invalid(said: str) -> Reply:
    return json_reply(400, {"error": "invalid_request", "error_description": said})


def _error(status: int, kind: str, message: str) -> Reply:
    return json_reply(status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_auth"})
