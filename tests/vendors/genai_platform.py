"""An enterprise gateway in front of the providers: own tokens, a subscription key, headers that it insists on.

It forwards to the strict servers behind it and hands on their answers in one piece, as buffering gateways do. Its own
errors have its own shapes: ``{"statusCode": 401, "message": ...}``.
"""

import asyncio
import http.client
from collections.abc import Awaitable
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.vendors.asgi import Answer, Reply, Request
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.replies import json_reply
from tests.vendors.server import VendorServer

CLIENT_ID = "maestro-at-work"
CLIENT_SECRET = "client-secret-of-the-gateway-0123456789"
SUBSCRIPTION = "subscription-key-0123456789abcdef"
SCOPE = "genai.invoke"
HOP_BY_HOP = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "ocp-apim-subscription-key",
    "x-gateway-token",
}
NEEDED = ("x-user-id", "x-user-email", "x-cost-centre", "x-correlation-id")


class GenAIPlatformVendor:
    """``/genai/<provider>/<the provider's own path>``, and ``/oauth/token``."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.servers: dict[str, VendorServer] = {}
        self.trusting = False
        self.issued: list[str] = []
        self.life_s = 3600
        self.refusing = ""

    def reset(self, servers: dict[str, VendorServer]) -> None:
        """Nothing was issued yet; ``servers`` stand behind it, by slug. ``trusting``: it takes any token."""
        self.ledger.clear()
        self.servers, self.issued, self.life_s, self.refusing, self.trusting = servers, [], 3600, "", False

    def revoke_all(self) -> None:
        """No token is good any more."""
        self.issued = []

    def key_state(self, request: Request) -> KeyState:
        if request.path == "/oauth/token":
            return "unchecked"
        given = request.headers.get("x-gateway-token", "")
        if not given:
            return "missing"
        return "right" if self.trusting or given.removeprefix("Token ") in self.issued else "wrong"

    def answer(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        if request.path == "/oauth/token":
            return self._token(request)
        if entry.key != "right":
            return json_reply(401, {"statusCode": 401, "message": "Access token is missing, expired or unknown."})
        if request.headers.get("ocp-apim-subscription-key") != SUBSCRIPTION:
            return json_reply(401, {"statusCode": 401, "message": "Access denied due to invalid subscription key."})
        lacking = [name for name in NEEDED if not request.headers.get(name)]
        if lacking:
            return json_reply(400, {"statusCode": 400, "message": f"Missing header {lacking[0]}."})
        _, root, provider, *rest = request.path.split("/")
        if root != "genai" or provider not in self.servers:
            return json_reply(404, {"statusCode": 404, "message": "Resource not found"})
        return asyncio.to_thread(self._forward, request, self.servers[provider].origin, "/" + "/".join(rest))

    def _token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        wanted = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "scope": SCOPE}
        if self.refusing or form.pop("client_secret", "") != CLIENT_SECRET:
            return json_reply(401, {"error": self.refusing or "invalid_client"})
        if form != wanted:
            return json_reply(400, {"error": "invalid_request"})
        self.issued.append(f"gateway-token-{len(self.issued) + 1}-{request.number:08d}")
        return json_reply(
            200, {"access_token": self.issued[-1], "token_type": "Bearer", "expires_in": str(self.life_s)}
        )

    def _forward(self, request: Request, origin: str, path: str) -> Reply:
        parts = urlsplit(origin)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
            target = f"{path}?{urlencode(request.query)}" if request.query else path
            connection.request(request.method, target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        return Reply(answer.status, kept, body)
