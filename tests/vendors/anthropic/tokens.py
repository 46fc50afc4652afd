"""What the API thinks of a request that comes with an OAuth token instead of a key."""

from tests.vendors.anthropic.errors import error_reply
from tests.vendors.asgi import Reply, Request
from tests.vendors.auth import Book
from tests.vendors.auth.anthropic import EXPIRED, INVALID, OAUTH_BETA, REVOKED
from tests.vendors.replies import bearer

PREFIX = "sk-ant-oat"
CLAUDE_CODE_ONLY = (
    "This credential is only authorized for use with Claude Code and cannot be used for other API requests."
)
"""A text for ``Book.blocked``."""
NOT_ALLOWED = "OAuth authentication is currently not allowed for this organization."
"""Another one."""


def is_token(request: Request) -> bool:
    """Does the request present an OAuth token?"""
    return (bearer(request.headers) or "").startswith(PREFIX)


def token_error(request: Request, book: Book, request_id: str) -> Reply | None:
    """Why the token is refused, else ``None``."""

    def refuse(status: int, message: str) -> Reply:
        return error_reply(status, message, request_id=request_id)

    if "x-api-key" in request.headers:
        return refuse(401, "invalid x-api-key")
    betas = {beta.strip() for beta in request.headers.get("anthropic-beta", "").split(",")}
    if OAUTH_BETA not in betas:
        return refuse(401, "OAuth authentication is currently not supported.")
    state, found = book.access(bearer(request.headers) or "")
    match state:
        case "unknown":
            return refuse(401, INVALID)
        case "expired":
            return refuse(401, EXPIRED)
        case "revoked":
            return refuse(403, REVOKED)
    assert found is not None
    if "user:inference" not in found.scopes:
        return refuse(403, "OAuth token does not meet scope requirement user:inference")
    if book.blocked:
        return refuse(401 if book.blocked == NOT_ALLOWED else 400, book.blocked)
    return None
