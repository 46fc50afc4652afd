"""What Google Cloud says when it refuses: ``google.rpc.Status`` with the reason in an ``ErrorInfo``."""

from typing import Any

from tests.vendors.asgi import Reply, Request
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GEMINI_SCOPES
from tests.vendors.gemini.errors import RPC, error_reply
from tests.vendors.gemini.tokens import INVALID
from tests.vendors.replies import bearer

SERVICE = "aiplatform.googleapis.com"
CLOUD = GEMINI_SCOPES[0]
DISABLED, UNBILLED, MISSING = "disabled-project", "unbilled-project", "missing-project"
"""Projects that every token may ask, and what is wrong with each of them."""
NO_KEYS = (
    "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that "
    "assert a principal. See https://cloud.google.com/docs/authentication"
)


def refusal(status: int, message: str, reason: str, *, streamed: str = "", **metadata: str) -> Reply:
    """An error with its reason."""
    info: dict[str, Any] = {
        "@type": RPC + "ErrorInfo",
        "reason": reason,
        "domain": SERVICE if reason.startswith("IAM") else "googleapis.com",
        "metadata": {"service": SERVICE, **metadata},
    }
    return error_reply(status, message, [info], streamed=streamed)


def token_refused(request: Request, book: Book, *, project: str | None, streamed: str = "") -> Reply | None:
    """Why the access token does not do for this project (``None``: for a list), else ``None``."""
    if "x-goog-api-key" in request.headers or "key" in request.query:
        said = "The API Key and the authentication credential are from different projects."
        return refusal(400, said, "CONSUMER_INVALID", streamed=streamed)
    state, found = book.access(bearer(request.headers) or "")
    if found is None or state != "valid":
        reason = "ACCESS_TOKEN_EXPIRED" if state == "expired" else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        return refusal(401, INVALID, reason, streamed=streamed)
    if CLOUD not in found.scopes:
        said = "Request had insufficient authentication scopes."
        return refusal(403, said, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", streamed=streamed)
    owned = book.accounts[found.account_id].project_id
    billed = request.headers.get("x-goog-user-project")
    if project is None and billed is None and found.kind != "service_account":
        said = (
            "Your application is authenticating by using local Application Default Credentials. The "
            f"{SERVICE} API requires a quota project, which is not set by default."
        )
        return refusal(403, said, "SERVICE_DISABLED", streamed=streamed)
    if billed is not None and billed != owned:
        said = f"Caller does not have required permission to use project {billed}."
        return refusal(403, said, "USER_PROJECT_DENIED", streamed=streamed)
    return None if project is None else project_refused(project, owned, request.path, streamed)


def project_refused(project: str, owned: str | None, path: str, streamed: str) -> Reply | None:
    """Why this project cannot be asked, else ``None``."""
    if project == DISABLED:
        said = f"Vertex AI API has not been used in project {project} before or it is disabled."
        return refusal(403, said, "SERVICE_DISABLED", streamed=streamed, consumer=f"projects/{project}")
    if project == UNBILLED:
        said = "This API method requires billing to be enabled. Please enable billing on project #1."
        return refusal(403, said, "BILLING_DISABLED", streamed=streamed, consumer=f"projects/{project}")
    if project == MISSING:
        said = f"Permission denied on resource project {project}."
        return refusal(403, said, "CONSUMER_INVALID", streamed=streamed, consumer=f"projects/{project}")
    if project != owned:
        resource = path.split("/", 2)[2].partition(":")[0]
        said = (
            f"Permission 'aiplatform.endpoints.predict' denied on resource '//{SERVICE}/{resource}' (or it may not "
            "exist)."
        )
        return refusal(403, said, "IAM_PERMISSION_DENIED", streamed=streamed, resource=resource)
    return None


def unknown_model(resource: str, *, streamed: str = "") -> Reply:
    """The model does not exist, or not there, or not for this project: Google does not say which."""
    said = (
        f"Publisher Model `{resource}` was not found or your project does not have access to it. Please ensure you are "
        "using a valid model version. For more information, see: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
    )
    return error_reply(404, said, streamed=streamed)


def not_servable(resource: str, location: str) -> Reply:
    """What is said of Anthropic's models in a region without them (``FAILED_PRECONDITION`` has the status 400)."""
    said = f"Publisher Model `{resource}` is not servable in region {location}."
    reply = error_reply(400, said)
    return Reply(400, reply.headers, reply.body.replace(b"INVALID_ARGUMENT", b"FAILED_PRECONDITION"))
