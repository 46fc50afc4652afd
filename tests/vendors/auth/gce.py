"""The metadata server of a machine of Google Cloud: whoever is on the machine gets its identity, by plain HTTP.

https://cloud.google.com/compute/docs/metadata/overview. A request must say ``Metadata-Flavor: Google`` and must not
come through a proxy; every answer says it too.
"""

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GEMINI_SCOPES
from tests.vendors.auth.records import Account
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.replies import json_reply

FLAVOR = {"metadata-flavor": "Google"}
KEPT_S = 300
"""The same token is given until so many seconds before its end."""


class GceMetadata:
    """``metadata.google.internal``. The knobs are plain attributes, set by ``reset``.

    ``account``: the machine's service account (empty: it has none). ``project``: its project. ``scopes``: those that
    the machine was started with. ``foreign``: something else answers on that address. ``status``: what tokens are
    answered with instead.
    """

    def __init__(self, book: Book) -> None:
        self.ledger = Ledger()
        self.book = book
        self.reset()

    def reset(self) -> None:
        """An ordinary machine."""
        self.account = "machine@local.iam.gserviceaccount.com"
        self.project = "local-project"
        self.scopes: tuple[str, ...] = GEMINI_SCOPES[:1]
        self.foreign = False
        self.status = 0
        self._token = ""

    def key_state(self, request: Request) -> KeyState:
        return "right" if request.headers.get("metadata-flavor") == "Google" else "missing"

    def answer(self, request: Request, entry: Entry) -> Reply:
        reply = self._answer(request, entry)
        if not self.foreign:
            reply.headers |= FLAVOR
        return reply

    def _answer(self, request: Request, entry: Entry) -> Reply:
        if entry.key != "right" or "x-forwarded-for" in request.headers or "authorization" in request.headers:
            return _text(403, "Your client does not have permission to get this URL from this server.")
        if request.method != "GET" or request.body:
            return _text(405, "Method not allowed")
        identity = "/computeMetadata/v1/instance/service-accounts/default"
        match request.path:
            case "/computeMetadata/v1/project/project-id":
                return _text(200, self.project)
            case path if path.startswith(identity) and not self.account:
                return _text(404, "Not Found")
            case path if path == f"{identity}/email":
                return _text(200, self.account)
            case path if path == f"{identity}/token":
                return _text(self.status, "Service unavailable") if self.status else self._tokens()
        return _text(404, "Not Found")

    def _tokens(self) -> Reply:
        with self.book.lock:
            self.book.accounts.setdefault(self.account, Account(self.account, self.account, project_id=self.project))
            known = self.book.accesses.get(self._token)
            if known is None or known.account_id != self.account or known.expires_at - self.book.now() < KEPT_S:
                made = self.book.issue(self.account, self.account, self.scopes, refreshable=False)
                known = self.book.accesses[made.access]
                known.kind = "service_account"
                self._token = made.access
            left = int(known.expires_at - self.book.now())
        return json_reply(200, {"access_token": self._token, "expires_in": left, "token_type": "Bearer"})


def _text(status: int, said: str) -> Reply:
    return Reply(status, {"content-type": "application/text"}, said.encode())
