"""Google's authorization server: a person's own OAuth client, and service accounts.

The refresh token does not rotate, and there is one only for ``access_type=offline`` on the first consent (or with
``prompt=consent``).
"""

from typing import Any

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth.front import (
    Answered,
    Asked,
    AuthFront,
    PageRefused,
    Routes,
    back,
    check_common,
    exact,
    read_form,
)
from tests.vendors.auth.records import Access, Refusal, TokenSet
from tests.vendors.auth.workloads import assertion_refused
from tests.vendors.ledger import Entry
from tests.vendors.replies import bearer, json_reply

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASKABLE = {
    *("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"),
    *("access_type", "prompt", "login_hint", "include_granted_scopes", "nonce", "hd", "enable_granular_consent"),
}
TEXTS = {
    "bad_signature": "Invalid JWT Signature.",
    "wrong_audience": "Invalid JWT: Failed audience check.",
    "no_times": "Invalid JWT: iat and exp are required.",
    "unreasonable_times": "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim.",
    "bad_verifier": "Invalid code verifier.",
    "redirect_mismatch": "Bad Request",
}


class GoogleAuth(AuthFront):
    """``accounts.google.com``, ``oauth2.googleapis.com`` and the keys of ``www.googleapis.com``."""

    def routes(self) -> Routes:
        return {
            ("GET", "/o/oauth2/v2/auth"): self.authorize,
            ("POST", "/o/oauth2/v2/auth"): self.authorize,
            ("POST", "/token"): self._token,
            ("POST", "/revoke"): self._revoke,
            ("GET", "/tokeninfo"): self._info,
            ("GET", "/oauth2/v3/userinfo"): self._person,
            ("GET", "/oauth2/v3/certs"): lambda request, entry: self.book.published(),
            ("GET", "/.well-known/openid-configuration"): lambda request, entry: json_reply(200, self._discovery()),
        }

    def _discovery(self) -> dict[str, Any]:
        origin = self.book.origin
        return {
            "issuer": origin,
            "authorization_endpoint": f"{origin}/o/oauth2/v2/auth",
            "token_endpoint": f"{origin}/token",
            "revocation_endpoint": f"{origin}/revoke",
            "userinfo_endpoint": f"{origin}/oauth2/v3/userinfo",
            "jwks_uri": f"{origin}/oauth2/v3/certs",
        }

    def check(self, path: str, query: dict[str, str]) -> Asked:
        if path != "/o/oauth2/v2/auth":
            raise PageRefused("Not found")
        client, uri, scopes = check_common(self.book, query, ASKABLE, needed={"scope"}, state=False)
        if query.get("access_type", "online") not in ("online", "offline"):
            raise PageRefused("Invalid parameter value for access_type")
        if not set(query.get("prompt", "").split()) <= {"none", "consent", "select_account"}:
            raise PageRefused("Invalid parameter value for prompt")
        challenge, nonce = query.get("code_challenge", ""), query.get("nonce", "")
        return Asked(client, uri, scopes, query.get("state", ""), challenge, nonce, query=query)

    def allow(self, asked: Asked, account: str) -> tuple[str, str]:
        who = (asked.client.id, account)
        with self.book.lock:
            asks = "consent" in asked.query.get("prompt", "") or who not in self.book.consents
            offline = asked.query.get("access_type") == "offline" and asks
            self.book.consents.add(who)
        code = self.book.new_code(
            client_id=asked.client.id,
            account=account,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            scopes=asked.scopes,
            state=asked.state,
            nonce=asked.nonce,
            extra={"offline": "yes" if offline else ""},
        ).code
        iss = self.book.origin if self.book.iss is None else self.book.iss
        said = {"iss": iss, "scope": " ".join(asked.scopes), "authuser": "0", "prompt": "consent"}
        return back(asked.redirect_uri, state=asked.state, code=code, **said), ""

    # Tokens

    def _token(self, request: Request, entry: Entry) -> Any:
        fields = read_form(request, _bad)
        if fields.get("grant_type") == JWT_BEARER:
            exact(fields, {"grant_type", "assertion"}, set(), _bad)
            return self.token_request(entry, fields, lambda: self._assert(fields, entry))
        client = self.book.clients.get(fields.get("client_id", ""))
        if client is None:
            raise Answered(_error(401, "invalid_client", "The OAuth client was not found."))
        if client.secret and "client_secret" not in fields:
            raise Answered(_error(400, "invalid_request", "client_secret is missing."))
        if fields.get("client_secret", "") != client.secret:
            raise Answered(_error(401, "invalid_client", "The provided client secret is invalid."))
        secret = {"client_secret"} if client.secret else set()
        match fields.get("grant_type"):
            case "authorization_code":
                needed = {"grant_type", "client_id", "code", "redirect_uri"} | secret
                exact(fields, needed, {"code_verifier"}, _bad)
                return self.token_request(entry, fields, lambda: self._exchange(fields, entry))
            case "refresh_token":
                exact(fields, {"grant_type", "client_id", "refresh_token"} | secret, {"scope"}, _bad)
                return self.token_request(entry, fields, lambda: self._refresh(fields, entry))
        raise Answered(_error(400, "unsupported_grant_type", f"Invalid grant_type: {fields.get('grant_type', '')}"))

    def _exchange(self, fields: dict[str, str], entry: Entry) -> Reply:
        found = self.book.codes.get(fields["code"])
        _, tokens = self.book.spend_code(
            fields["code"],
            client_id=fields["client_id"],
            redirect_uri=fields["redirect_uri"],
            verifier=fields.get("code_verifier", ""),
            entry=entry,
            refreshable=bool(found and found.extra.get("offline")),
        )
        said = _answer(tokens)
        if tokens.refresh:
            said["refresh_token"] = tokens.refresh
        return json_reply(200, said)

    def _refresh(self, fields: dict[str, str], entry: Entry) -> Reply:
        tokens = self.book.spend_refresh(fields["refresh_token"], fields["client_id"], entry=entry)
        said = _answer(tokens)
        if tokens.refresh != fields["refresh_token"]:
            said["refresh_token"] = tokens.refresh
        return json_reply(200, said)

    def _assert(self, fields: dict[str, str], entry: Entry) -> Reply:
        reason, account, scopes = assertion_refused(self.book, fields["assertion"])
        self.book.note("assertion", "", account.email if account else "", "", 0, fields["assertion"], reason, entry)
        if reason or account is None:
            raise Refusal(reason)
        made = self.book.issue(account.email, account.email, scopes, refreshable=False)
        self.book.accesses[made.access].kind = "service_account"
        return json_reply(
            200, {"access_token": made.access, "expires_in": str(made.expires_in), "token_type": "Bearer"}
        )

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        if fields.get("grant_type") == "refresh_token":
            return _error(400, "invalid_grant", "Token has been expired or revoked.")
        if reason == "no_scope":
            return _error(400, "invalid_scope", "Empty or missing scope not allowed.")
        return _error(400, "invalid_grant", TEXTS.get(reason, "Malformed auth code."))

    def limited(self, retry_after: float) -> Reply:
        said = {"error": "rate_limit_exceeded", "error_description": "Rate Limit Exceeded"}
        return json_reply(429, said, {"retry-after": f"{retry_after:g}"})

    # The rest

    def _revoke(self, request: Request, entry: Entry) -> Reply:
        token = request.query.get("token") or read_form(request, _bad).get("token", "")
        if not self.book.revoke(token):
            return _error(400, "invalid_token", "Token expired or revoked")
        return json_reply(200, {})

    def _signed(self, token: str) -> Access:
        state, found = self.book.access(token)
        if found is None or state != "valid":
            raise Answered(_error(400, "invalid_token", "Invalid Value"))
        return found

    def _info(self, request: Request, entry: Entry) -> Reply:
        found = self._signed(request.query.get("access_token", ""))
        account = self.book.accounts[found.account_id]
        said = {"aud": found.client_id, "sub": account.id, "scope": " ".join(found.scopes), "email": account.email}
        left = str(int(found.expires_at - self.book.now()))
        return json_reply(200, {**said, "expires_in": left, "access_type": "offline"})

    def _person(self, request: Request, entry: Entry) -> Reply:
        try:
            found = self._signed(bearer(request.headers) or "")
        except Answered:
            return _error(401, "invalid_request", "Invalid Credentials")
        account = self.book.accounts[found.account_id]
        return json_reply(200, {"sub": account.id, "email": account.email, "email_verified": True})


def _answer(tokens: TokenSet) -> dict[str, Any]:
    said: dict[str, Any] = {"access_token": tokens.access, "expires_in": tokens.expires_in, "token_type": "Bearer"}
    said["scope"] = " ".join(tokens.scopes)
    if tokens.id_token:
        said["id_token"] = tokens.id_token
    return said


def _error(status: int, code: str, said: str) -> Reply:
    return json_reply(status, {"error": code, "error_description": said})


def _bad(said: str) -> Reply:
    return _error(400, "invalid_request", said)
