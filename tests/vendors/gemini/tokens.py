"""What the API thinks of a request that comes with an OAuth token instead of a key."""

from typing import Any

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GEMINI_SCOPES
from tests.vendors.gemini.errors import RPC, error_reply
from tests.vendors.replies import bearer

NO_PROJECT = (
    "Your application is authenticating by using local Application Default Credentials. The "
    "generativelanguage.googleapis.com API requires a quota project, which is not set by default."
)
INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential."
)


def token_error(request: Request, book: Book, *, streamed: str) -> Reply | None:
    """Why the token is refused, else ``None``."""

    def refuse(status: int, message: str, reason: str) -> Reply:
        return error_reply(status, message, _reason(reason), streamed=streamed)

    if "x-goog-api-key" in request.headers or "key" in request.query:
        return refuse(
            400, "The API Key and the authentication credential are from different projects.", "CONSUMER_INVALID"
        )
    state, found = book.access(bearer(request.headers) or "")
    if found is None or state != "valid":
        return refuse(401, INVALID, "ACCESS_TOKEN_EXPIRED" if state == "expired" else "ACCESS_TOKEN_TYPE_UNSUPPORTED")
    if not set(found.scopes) & set(GEMINI_SCOPES):
        return refuse(403, "Request had insufficient authentication scopes.", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    if found.kind == "service_account":
        return None
    project, owned = request.headers.get("x-goog-user-project"), book.accounts[found.account_id].project_id
    if not project:
        return refuse(403, NO_PROJECT, "SERVICE_DISABLED")
    if owned is not None and project != owned:
        said = f"Caller does not have required permission to use project {project}."
        return refuse(403, said, "USER_PROJECT_DENIED")
    return None


def _reason(reason: str) -> list[dict[str, Any]]:
    metadata = {"service": "generativelanguage.googleapis.com"}
    return [{"@type": RPC + "ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}]
