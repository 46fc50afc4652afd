"""The sign-in: no client, no state, a challenge, and a key that does not end in exchange for the code.

https://openrouter.ai/docs/guides/overview/auth/oauth
"""

from typing import Any
from urllib.parse import urlsplit

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth.front import Asked, AuthFront, PageRefused, Routes, back, exact, read_json
from tests.vendors.auth.hashes import challenge_of
from tests.vendors.auth.records import Client, Refusal
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

ASKABLE = {"callback_url", "code_challenge", "code_challenge_method", "key_label", "limit", "expires_at"}
ANYONE = Client("anyone")
TEXTS = {"method_mismatch": (400, "Invalid code_challenge_method"), "code_expired": (403, "Authorization code expired")}


class SignIn(AuthFront):
    """``openrouter.ai/auth`` and the exchange."""

    def routes(self) -> Routes:
        return {
            ("GET", "/auth"): self.authorize,
            ("POST", "/auth"): self.authorize,
            ("POST", "/api/v1/auth/keys"): self._keys,
        }

    def check(self, path: str, query: dict[str, str]) -> Asked:
        if path != "/auth":
            raise PageRefused("Not found")
        unknown = sorted(set(query) - ASKABLE)
        if unknown:
            raise PageRefused(f"Unknown parameter: {unknown[0]}")
        callback, challenge = query.get("callback_url", ""), query.get("code_challenge", "")
        if query.get("code_challenge_method", "plain") not in ("S256", "plain"):
            raise PageRefused("Invalid code_challenge_method")
        if challenge and query.get("code_challenge_method") == "S256" and len(challenge) != 43:
            raise PageRefused("Invalid code_challenge")
        if callback:
            parts = urlsplit(callback)
            local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
            if not local and parts.scheme != "https":
                raise PageRefused("callback_url must be https, or http on localhost")
        elif not challenge:
            raise PageRefused("code_challenge is required without a callback_url")
        return Asked(ANYONE, callback, (), "", challenge, name=query.get("key_label", callback), query=query)

    def allow(self, asked: Asked, account: str) -> tuple[str, str]:
        extra = {"method": asked.query.get("code_challenge_method", ""), "label": asked.query.get("key_label", "")}
        code = self.book.new_code(
            client_id=ANYONE.id,
            account=account,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            scopes=(),
            state="",
            nonce="",
            extra=extra,
        ).code
        return (back(asked.redirect_uri, code=code), "") if asked.redirect_uri else ("", code)

    def deny(self, asked: Asked) -> str:
        if not asked.redirect_uri:
            raise PageRefused("The request was denied.")
        return back(asked.redirect_uri, error="access_denied")

    def _keys(self, request: Request, entry: Entry) -> Any:
        fields = exact(read_json(request, _bad), {"code"}, {"code_verifier", "code_challenge_method"}, _bad)
        return self.token_request(entry, fields, lambda: self._exchange(fields, entry))

    def _exchange(self, fields: dict[str, str], entry: Entry) -> Reply:
        book, code = self.book, fields["code"]
        with book.lock:
            found = book.codes.get(code)
            reason = "" if found else "unknown_code"
            if found is not None:
                right = challenge_of(fields.get("code_verifier", "")) == found.challenge or not found.challenge
                if found.spent:
                    reason = "code_reused"
                elif found.expires_at <= book.now():
                    reason = "code_expired"
                elif found.extra["method"] != fields.get("code_challenge_method", ""):
                    reason = "method_mismatch"
                elif not right:
                    reason = "bad_verifier"
                found.spent = True
            account = found.account_id if found else ""
            book.note("code", "", account, "", 0, code, reason, entry)
            if reason:
                raise Refusal(reason)
            key = book.issue_key(account)
        return json_reply(200, {"key": key, "user_id": f"user_{account}"})

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        return problem(*TEXTS.get(reason, (403, "Invalid code or code_verifier")))

    def limited(self, retry_after: float) -> Reply:
        reply = problem(429, "Rate limit exceeded")
        reply.headers["retry-after"] = f"{retry_after:g}"
        return reply


def problem(status: int, message: str, **metadata: object) -> Reply:
    """OpenRouter's error: the code is a number."""
    error: dict[str, object] = {"code": status, "message": message}
    if metadata:
        error["metadata"] = metadata
    return json_reply(status, {"error": error})


def _bad(said: str) -> Reply:
    return problem(400, said)
