"""The authorization server of OpenAI: the Codex client, the exchange for an API key, revocation, the device flow.

"Sign in with ChatGPT" lives on the same host (``siwc``).
"""

import secrets
from typing import Any

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth.device import DeviceFlow
from tests.vendors.auth.front import (
    Answered,
    Asked,
    AuthFront,
    PageRefused,
    Routes,
    back,
    check_common,
    exact,
    media_type,
    read_form,
    read_json,
)
from tests.vendors.auth.mints import NAMESPACE
from tests.vendors.auth.records import Refusal
from tests.vendors.auth.siwc import SignInWithChatGPT
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
ASKABLE = {
    *("response_type", "client_id", "redirect_uri", "scope", "code_challenge", "code_challenge_method", "state"),
    *("id_token_add_organizations", "codex_cli_simplified_flow", "originator", "allowed_workspace_id", "prompt"),
    *("login_hint", "nonce"),
}
CODES = {
    "reused": ("refresh_token_reused", "Your refresh token was already used to generate a new access token."),
    "expired": ("refresh_token_expired", "Your refresh token has expired."),
}


class OpenAIAuth(AuthFront):
    """``auth.openai.com``."""

    def routes(self) -> Routes:
        siwc, device = SignInWithChatGPT(self), DeviceFlow(self)
        return {
            ("GET", "/oauth/authorize"): self.authorize,
            ("POST", "/oauth/authorize"): self.authorize,
            ("POST", "/oauth/token"): self._token,
            ("POST", "/oauth/revoke"): self._revoke,
            ("GET", "/.well-known/jwks.json"): lambda request, entry: self.book.published(),
            **siwc.routes(),
            **device.routes(),
        }

    def check(self, path: str, query: dict[str, str]) -> Asked:
        if path == "/api/accounts/authorize":
            return SignInWithChatGPT(self).check(query)
        if path != "/oauth/authorize":
            raise PageRefused("Not found")
        client, uri, scopes = check_common(self.book, query, ASKABLE, needed={"code_challenge", "scope", "state"})
        if client.kind != "codex":
            raise PageRefused("Unknown client_id.")
        challenge, name = query["code_challenge"], query.get("originator", "")
        return Asked(client, uri, scopes, query["state"], challenge, query.get("nonce", ""), name, query)

    def allow(self, asked: Asked, account: str) -> tuple[str, str]:
        bound: dict[str, Any] = {
            "challenge": asked.challenge,
            "scopes": asked.scopes,
            "state": asked.state,
            "nonce": asked.nonce,
        }
        client_id, issued = asked.client.id, ""
        if asked.client.kind == "siwc":
            client_id, issued = SignInWithChatGPT(self).issued(asked, account)
            bound["extra"] = {"resource": asked.query["resource"]}
        code = self.book.new_code(client_id=client_id, account=account, redirect_uri=asked.redirect_uri, **bound)
        said = {"code": code.code, "state": asked.state, "client_id": issued}
        if issued:
            iss = self.book.origin if self.book.iss is None else self.book.iss
            said |= {"scope": " ".join(asked.scopes), "iss": iss}
        return back(asked.redirect_uri, **said), ""

    # Tokens

    def _token(self, request: Request, entry: Entry) -> Any:
        as_json = media_type(request) == "application/json"
        fields: dict[str, Any] = read_json(request, bad) if as_json else read_form(request, bad)
        client = self.book.clients.get(str(fields.get("client_id")))
        if client is None or client.kind not in ("codex", ""):
            raise Answered(error(401, "invalid_client", "Invalid client specified."))
        match fields.get("grant_type"):
            case "authorization_code" if not as_json:
                needed = {"grant_type", "code", "redirect_uri", "client_id", "code_verifier"}
                exact(fields, needed, set(), bad)
                return self.token_request(entry, fields, lambda: self._exchange(fields, entry))
            case "refresh_token":
                exact(fields, {"grant_type", "refresh_token", "client_id"}, {"scope"}, bad)
                return self.token_request(entry, fields, lambda: self._refresh(fields, entry))
            case _ if fields.get("grant_type") == TOKEN_EXCHANGE and not as_json:
                needed = {"grant_type", "client_id", "requested_token", "subject_token", "subject_token_type"}
                exact(fields, needed, {"name"}, bad)
                return self.token_request(entry, fields, lambda: self._to_key(fields, entry))
        raise Answered(bad("unsupported grant_type or encoding"))

    def _exchange(self, fields: dict[str, str], entry: Entry) -> Reply:
        client_id, verifier = fields["client_id"], fields["code_verifier"]
        found = self.book.codes.get(fields["code"])
        uri = fields["redirect_uri"]
        if found is not None and found.redirect_uri == "device":
            # Codes of the device flow belong to an address that nobody ever lands on.
            homes = ("https://auth.openai.com/deviceauth/callback", f"{self.book.origin}/deviceauth/callback")
            uri = "device" if uri in homes else uri
        _, tokens = self.book.spend_code(
            fields["code"], client_id=client_id, redirect_uri=uri, verifier=verifier, entry=entry
        )
        return json_reply(200, answer(tokens))

    def _refresh(self, fields: dict[str, str], entry: Entry) -> Reply:
        return json_reply(
            200, answer(self.book.spend_refresh(fields["refresh_token"], fields["client_id"], entry=entry))
        )

    def _to_key(self, fields: dict[str, str], entry: Entry) -> Reply:
        token, reason, account = fields["subject_token"], "", ""
        claims = self.book.verified(token)
        if claims is None or claims["exp"] <= self.book.now() or fields["client_id"] not in claims["aud"]:
            reason = "bad_subject_token"
        elif fields["subject_token_type"] != ID_TOKEN or fields["requested_token"] != "openai-api-key":
            reason = "unsupported_exchange"
        else:
            facts = claims.get(NAMESPACE, {})
            account = facts.get("chatgpt_account_id", "")
            if not facts.get("organization_id") or not facts.get("project_id"):
                reason = "no_organization"
        self.book.note("exchange", fields["client_id"], account, "", 0, token, reason, entry)
        if reason:
            raise Refusal(reason)
        made = {"access_token": self.book.issue_key(account), "token_type": "Bearer"}
        return json_reply(200, {**made, "issued_token_type": "openai-api-key"})

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        if fields.get("client_id", "").startswith("oaiapp_"):
            return SignInWithChatGPT.refuse(reason, fields)
        match fields.get("grant_type"):
            case "refresh_token":
                invalid = ("refresh_token_invalidated", "Your refresh token has been invalidated.")
                return error(401, *CODES.get(reason, invalid))
            case "authorization_code":
                return json_reply(400, {"error": "invalid_grant", "error_description": f"Invalid code: {reason}"})
        return error(401 if reason == "bad_subject_token" else 403, reason, f"Token exchange refused: {reason}")

    def limited(self, retry_after: float) -> Reply:
        return error(429, "rate_limit_exceeded", "Too many requests.", {"retry-after": f"{retry_after:g}"})

    def _revoke(self, request: Request, entry: Entry) -> Reply:
        fields = read_json(request, bad) if media_type(request) == "application/json" else read_form(request, bad)
        exact(fields, {"token"}, {"token_type_hint", "client_id"}, bad)
        self.book.revoke(fields["token"])
        return json_reply(200, {})


def answer(tokens: Any) -> dict[str, Any]:
    """The successful answer."""
    said = {
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "id_token": tokens.id_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "scope": " ".join(tokens.scopes),
    }
    return {name: value for name, value in said.items() if value != ""}


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    """An error as the token endpoint says it: an object."""
    said = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return json_reply(status, {"error": said}, {"x-request-id": f"req_{secrets.token_hex(8)}", **(headers or {})})


def bad(said: str) -> Reply:
    """400 for a malformed request."""
    return error(400, "invalid_request", said)
