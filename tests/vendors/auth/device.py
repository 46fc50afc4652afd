"""OpenAI's device login: not RFC 8628, but a code to type, and questions that are answered 403 until it was typed."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth import pages
from tests.vendors.auth.device_codes import enter, start
from tests.vendors.auth.front import Answered, Routes, exact, read_json
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

if TYPE_CHECKING:
    from tests.vendors.auth.openai import OpenAIAuth


class DeviceFlow:
    """The two endpoints and the page."""

    def __init__(self, front: "OpenAIAuth") -> None:
        self.book = front.book

    def routes(self) -> Routes:
        return {
            ("POST", "/api/accounts/deviceauth/usercode"): self._start,
            ("POST", "/api/accounts/deviceauth/token"): self._poll,
            ("GET", "/codex/device"): self._form,
            ("POST", "/codex/device"): self._typed,
        }

    def _start(self, request: Request, entry: Entry) -> Reply:
        fields = exact(read_json(request, _bad), {"client_id"}, set(), _bad)
        client = self.book.clients.get(fields["client_id"])
        if not self.book.device_enabled or client is None or client.kind != "codex":
            return json_reply(404, {"error": {"message": "Device login is not enabled.", "code": "not_found"}})
        made = start(self.book, client.id)
        said = {"device_auth_id": made.device_auth_id, "user_code": made.user_code}
        return json_reply(200, {**said, "interval": f"{self.book.device_interval:g}"})

    def _poll(self, request: Request, entry: Entry) -> Reply:
        fields = exact(read_json(request, _bad), {"device_auth_id", "user_code"}, set(), _bad)
        with self.book.lock:
            found = self.book.devices.get(fields["device_auth_id"])
            if found is None or found.user_code != fields["user_code"]:
                raise Answered(json_reply(404, {"error": {"message": "Unknown device login.", "code": "not_found"}}))
            found.polls += 1
            if found.denied:
                said = {"error": {"message": "The login was denied.", "code": "access_denied"}}
                raise Answered(json_reply(400, said))
            if found.expires_at <= self.book.now():
                raise Answered(
                    json_reply(410, {"error": {"message": "The code has expired.", "code": "expired_token"}})
                )
            if not found.code:
                said = {"error": {"message": "Device authorization is pending.", "code": "authorization_pending"}}
                raise Answered(json_reply(403, said))
            # The code is handed out once.
            del self.book.devices[found.device_auth_id]
        given = {"authorization_code": found.code, "code_challenge": found.challenge, "code_verifier": found.verifier}
        return json_reply(200, given)

    def _form(self, request: Request, entry: Entry) -> Reply:
        return pages.device_page(self.book.accounts[self.book.signed_in].email)

    def _typed(self, request: Request, entry: Entry) -> Reply:
        form = dict(parse_qsl(request.body.decode()))
        deny = form.get("decision") == "deny"
        if not enter(self.book, form.get("user_code", ""), self.book.signed_in, deny=deny):
            return pages.device_page(self.book.accounts[self.book.signed_in].email, "That code is not known.")
        return pages.page("Denied" if deny else "Signed in", '<p id="done">You can close this page.</p>')


def _bad(said: str) -> Reply:
    return json_reply(400, {"error": {"message": said, "type": "invalid_request_error", "code": "invalid_request"}})
