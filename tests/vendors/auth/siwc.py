"""Sign in with ChatGPT for open-source apps: implicit registration, a loopback address, a fixed resource, a nonce.

Wire facts: developers.openai.com/siwc/quickstart and its pages on token sharing.
"""

import re
from typing import TYPE_CHECKING, Any

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth.clients import SIWC_FIRST
from tests.vendors.auth.front import (
    Answered,
    Asked,
    PageRefused,
    Routes,
    SentBack,
    back,
    check_common,
    exact,
    read_form,
)
from tests.vendors.auth.records import Refusal, TokenSet
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

if TYPE_CHECKING:
    from tests.vendors.auth.openai import OpenAIAuth

RESOURCE = "https://api.openai.com/v1"
PLAN_SCOPE = "chatgpt.tokens.use.direct"
HOST_ID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ASKABLE = {
    *("response_type", "client_id", "agent_name_hint", "ext_agent_host_id", "redirect_uri", "scope", "resource"),
    *("state", "nonce", "code_challenge", "code_challenge_method", "login_hint", "id_token_hint", "prompt"),
}
NEEDED = {"code_challenge", "scope", "state", "nonce", "resource", "ext_agent_host_id"}


class SignInWithChatGPT:
    """The endpoints below ``/api/accounts`` that this sign-in uses."""

    def __init__(self, front: "OpenAIAuth") -> None:
        self.front, self.book = front, front.book

    def routes(self) -> Routes:
        return {
            ("GET", "/.well-known/openid-configuration"): lambda request, entry: json_reply(200, self._discovery()),
            ("GET", "/api/accounts/authorize"): self.front.authorize,
            ("POST", "/api/accounts/authorize"): self.front.authorize,
            ("POST", "/api/accounts/oauth/token"): self._token,
            ("POST", "/api/accounts/oauth/revoke"): self._revoke,
        }

    def _discovery(self) -> dict[str, Any]:
        origin = self.book.origin
        return {
            "issuer": origin,
            "authorization_endpoint": f"{origin}/api/accounts/authorize",
            "token_endpoint": f"{origin}/api/accounts/oauth/token",
            "jwks_uri": f"{origin}/.well-known/jwks.json",
            "revocation_endpoint": f"{origin}/api/accounts/oauth/revoke",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "authorization_response_iss_parameter_supported": self.book.promises_issuer,
        }

    def check(self, query: dict[str, str]) -> Asked:
        """The authorization request. Raises ``PageRefused``, ``SentBack``."""
        client, uri, scopes = check_common(self.book, query, ASKABLE, needed=NEEDED)
        if client.kind != "siwc":
            raise PageRefused("Unknown client_id.")
        first = client.id == SIWC_FIRST
        wrong = ""
        if query["resource"] != RESOURCE:
            wrong = "resource is not available"
        elif not HOST_ID.fullmatch(query["ext_agent_host_id"]):
            wrong = "ext_agent_host_id must be urn:uuid: and a version 4 UUID"
        elif first and not query.get("agent_name_hint"):
            wrong = "agent_name_hint is required for the first sign-in"
        elif not first and "agent_name_hint" in query:
            wrong = "agent_name_hint is for the first sign-in only"
        elif not {"openid", "resource.invoke"} <= set(scopes):
            wrong = "scope must contain openid and resource.invoke"
        if wrong:
            raise SentBack(back(uri, error="invalid_request", error_description=wrong, state=query["state"]))
        name = query.get("agent_name_hint", "")
        return Asked(client, uri, scopes, query["state"], query["code_challenge"], query["nonce"], name, query)

    def issued(self, asked: Asked, account: str) -> tuple[str, str]:
        """The client id that the code is bound to, twice: it is also said in the callback."""
        mine = self.book.siwc_client(account).id
        if asked.client.id not in (SIWC_FIRST, mine):
            # Another account than the one that this client was issued for gets a client of its own.
            raise SentBack(
                back(asked.redirect_uri, error="unauthorized_client", error_description="account", state=asked.state)
            )
        return mine, mine

    def _token(self, request: Request, entry: Entry) -> Any:
        fields = read_form(request, _bad)
        client = self.book.clients.get(fields.get("client_id", ""))
        if client is None or client.kind != "siwc" or client.id == SIWC_FIRST:
            raise Answered(json_reply(401, {"error": "invalid_client", "error_description": "Unknown client"}))
        if fields.get("resource") != RESOURCE:
            raise Answered(json_reply(400, {"error": "invalid_target", "error_description": "resource"}))
        match fields.get("grant_type"):
            case "authorization_code":
                exact(
                    fields,
                    {"grant_type", "client_id", "code", "code_verifier", "redirect_uri", "resource"},
                    set(),
                    _bad,
                )
                return self.front.token_request(entry, fields, lambda: self._exchange(fields, entry))
            case "refresh_token":
                exact(fields, {"grant_type", "client_id", "refresh_token", "resource"}, set(), _bad)
                return self.front.token_request(entry, fields, lambda: self._refresh(fields, entry))
        raise Answered(json_reply(400, {"error": "unsupported_grant_type"}))

    def _exchange(self, fields: dict[str, str], entry: Entry) -> Reply:
        found = self.book.codes.get(fields["code"])
        if found is not None and found.extra.get("resource") != fields["resource"]:
            raise Refusal("resource_mismatch")
        _, tokens = self.book.spend_code(
            fields["code"],
            client_id=fields["client_id"],
            redirect_uri=fields["redirect_uri"],
            verifier=fields["code_verifier"],
            entry=entry,
        )
        return json_reply(200, {**_answer(tokens), "scope": " ".join(tokens.scopes)})

    def _refresh(self, fields: dict[str, str], entry: Entry) -> Reply:
        # No scope in this answer: it is what it was.
        return json_reply(
            200, _answer(self.book.spend_refresh(fields["refresh_token"], fields["client_id"], entry=entry))
        )

    @staticmethod
    def refuse(reason: str, fields: dict[str, str]) -> Reply:
        """The answer to a grant that is not given."""
        codes = {"reused": "refresh_token_reused", "revoked": "refresh_token_invalidated", "expired": "token_expired"}
        said = {"error": "invalid_grant", "error_description": "The grant is invalid."}
        if fields.get("grant_type") == "refresh_token" and reason in codes:
            said["code"] = codes[reason]
        return json_reply(400, said)

    def _revoke(self, request: Request, entry: Entry) -> Reply:
        fields = exact(read_form(request, _bad), {"token", "client_id"}, {"token_type_hint"}, _bad)
        self.book.revoke(fields["token"])
        return Reply(200, {"content-length": "0"}, b"")


def _answer(tokens: TokenSet) -> dict[str, Any]:
    return {
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "id_token": tokens.id_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "earliest_refresh_at": int(tokens.earliest_refresh_at),
    }


def _bad(said: str) -> Reply:
    return json_reply(400, {"error": "invalid_request", "error_description": said})
