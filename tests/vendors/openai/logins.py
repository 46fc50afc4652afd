"""Requests that come with the token of a login instead of a key: the ChatGPT backend and the plan on the public API.

Both answer streams only, keep nothing and refuse fields that a key may send; each in its own words.
"""

import json
from dataclasses import replace
from typing import Any

from tests.vendors.asgi import Frame, Reply, Request, Streamed
from tests.vendors.auth import Book
from tests.vendors.auth.records import Access, Account
from tests.vendors.auth.siwc import PLAN_SCOPE
from tests.vendors.openai.errors import Refused, error_reply
from tests.vendors.replies import bearer, json_reply, sse

CODEX_PATH = "/backend-api/codex"
MODELS = ("gpt-5.6", "gpt-5.6-mini")
CODEX_REFUSED = (
    *("max_output_tokens", "previous_response_id", "prompt_cache_retention", "safety_identifier", "stream_options"),
    *("temperature", "top_p", "metadata", "user", "truncation", "background", "max_tool_calls"),
)
PLAN_REFUSED = (
    *("background", "conversation", "max_output_tokens", "max_tool_calls", "metadata", "moderation", "multi_agent"),
    *("prompt", "prompt_cache_retention", "safety_identifier", "temperature", "top_logprobs", "top_p", "truncation"),
    *("user", "previous_response_id"),
)
PLAN_ROUTES = {("POST", "/v1/responses"), ("GET", "/v1/models")}
EXPIRED = "Provided authentication token is expired. Please try signing in again."
INVALID = "Could not validate your token. Please try signing in again."


def login_of(request: Request, book: Book) -> Access | None:
    """The login whose token the request carries, ``None`` for a key. A JWT that is unknown is taken for one."""
    token = bearer(request.headers) or ""
    found = book.accesses.get(token)
    if found is not None and found.kind != "api_key":
        return found
    if found is None and (token.startswith("eyJ") or request.path.startswith(CODEX_PATH)):
        return Access(token, "", "", (), 0.0, kind="codex")
    return None


def check_login(request: Request, login: Access, book: Book, headers: dict[str, str]) -> None:
    """Is the token taken at this address? Raises ``Refused``."""
    state, _ = book.access(login.token)
    account = book.accounts.get(login.account_id)
    if request.path.startswith(CODEX_PATH):
        _check_codex(request, login, account, state, headers)
    elif login.kind == "siwc":
        _check_plan(request, login, account, state, headers)
    elif state == "valid":
        said = "You have insufficient permissions for this operation. Missing scopes: api.responses.write."
        raise Refused(error_reply(403, said, code="insufficient_permissions", headers=headers))
    else:
        raise Refused(error_reply(401, INVALID, code="token_expired", headers=headers))


def _check_codex(request: Request, login: Access, account: Account | None, state: str, headers: dict[str, str]) -> None:
    if state != "valid" or login.kind != "codex" or account is None:
        said = EXPIRED if state == "expired" else INVALID
        raise Refused(error_reply(401, said, code="token_expired", headers=headers))
    sent = request.headers.get("chatgpt-account-id")
    if sent is None:
        raise Refused(_detail(400, "ChatGPT-Account-ID header is required", headers))
    if sent != account.id:
        raise Refused(_detail(403, "The account does not belong to this token", headers))
    _check_limit(account, headers)


def _check_plan(request: Request, login: Access, account: Account | None, state: str, headers: dict[str, str]) -> None:
    def refuse(status: int, code: str) -> Refused:
        return Refused(error_reply(status, f"Request refused: {code}", code=code, headers=headers))

    if state != "valid" or account is None:
        raise Refused(_detail(401, {"error_code": "invalid_token"}, headers))
    if PLAN_SCOPE not in login.scopes:
        raise refuse(403, "chatpass_v2_scope_not_authorized")
    if (request.method, request.path) not in PLAN_ROUTES:
        raise refuse(403, "subscription_sharing_route_not_supported")
    for name in ("openai-organization", "openai-project"):
        if name in request.headers:
            raise refuse(400, "subscription_sharing_unsupported_capability")
    if account.plan == "free":
        raise refuse(403, "subscription_sharing_user_not_eligible")
    _check_limit(account, headers)


def _check_limit(account: Account, headers: dict[str, str]) -> None:
    if account.limit is None:
        return
    error: dict[str, Any] = {"type": account.limit, "message": "The usage limit has been reached"}
    if account.limit == "usage_limit_reached":
        error |= {"plan_type": account.plan, "resets_at": 1_795_600_000, "resets_in_seconds": 3600}
    elif account.limit.startswith("subscription_sharing"):
        error["code"] = account.limit
    raise Refused(json_reply(429, {"error": error}, headers))


def key_account_error(request: Request, book: Book, headers: dict[str, str]) -> Reply | None:
    """A key that was made from a login belongs to one organization and project; headers may not name others."""
    found = book.accesses.get(bearer(request.headers) or "")
    account = book.accounts.get(found.account_id) if found else None
    if account is None:
        return None
    for name, right in (("organization", account.organization_id), ("project", account.project_id)):
        if request.headers.get(f"openai-{name}", right) != right:
            said = f"OpenAI-{name.title()} header should match {name} for API key"
            return error_reply(401, said, code=f"mismatched_{name}", headers=headers)
    return None


def check_body(request: Request, login: Access, headers: dict[str, str]) -> None:
    """What a body may not hold, before the ordinary checks. Raises ``Refused``."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return
    codex = login.kind == "codex"
    for name in CODEX_REFUSED if codex else PLAN_REFUSED:
        if name in body:
            raise Refused(_detail(400, f"Unsupported parameter: {name}", headers))
    if body.get("store") is not False:
        raise Refused(_detail(400, "Store must be set to false", headers))
    if body.get("stream") is not True:
        raise Refused(_detail(400, "Stream must be set to true", headers))
    if codex and not isinstance(body.get("instructions"), str):
        raise Refused(_detail(400, "Instructions are required", headers))
    if not isinstance(body.get("input"), list):
        raise Refused(_detail(400, "Input must be a list", headers))
    if any(isinstance(item, dict) and item.get("role") == "system" for item in body["input"]):
        raise Refused(_detail(400, "System messages are not allowed", headers))
    if body.get("model") not in MODELS and not str(body.get("model")).startswith(MODELS):
        said = f"The '{body.get('model')}' model is not supported when using Codex with a ChatGPT account."
        raise Refused(_detail(400, said, headers))


def as_login(answer: Reply | Streamed, login: Access) -> Reply | Streamed:
    """The stream as this login's endpoint writes it: the plan's has no content type, and no ``output`` at its end."""
    if isinstance(answer, Reply) or login.kind != "siwc":
        return answer
    headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
    return replace(answer, headers=headers, frames=[_emptied(frame) for frame in answer.frames])


def _emptied(frame: Frame) -> Frame:
    head, _, data = frame.data.partition(b"data: ")
    payload = json.loads(data)
    kind = payload["type"]
    if kind in ("response.completed", "response.incomplete"):
        payload["response"]["output"] = []
    elif kind.startswith("response.output_item.") and payload["item"]["type"] == "message":
        payload["item"]["phase"] = "final_answer"
    return Frame(sse(payload, event=kind) if head else frame.data, frame.visible)


def codex_models(request: Request, headers: dict[str, str]) -> Reply:
    """``GET /backend-api/codex/models?client_version=``"""
    if not request.query.get("client_version"):
        raise Refused(_detail(400, "client_version is required", headers))
    return json_reply(200, _models(), {**headers, "etag": 'W/"local"'})


def plan_models(request: Request, headers: dict[str, str]) -> Reply:
    """``GET /v1/models`` with a token of Sign in with ChatGPT: not the public shape."""
    return json_reply(200, _models(), headers)


def _models() -> dict[str, Any]:
    efforts = [{"effort": effort, "description": effort.title()} for effort in ("low", "medium", "high")]

    def entry(slug: str, visibility: str) -> dict[str, Any]:
        return {
            "slug": slug,
            "display_name": slug.upper().replace("-MINI", " mini"),
            "description": "A model of the local server.",
            "default_reasoning_level": "medium",
            "supported_reasoning_levels": efforts,
            "visibility": visibility,
            "minimal_client_version": "0.1.0",
            "supported_in_api": True,
            "priority": 1,
            "context_window": 272_000,
            "supports_parallel_tool_calls": True,
        }

    return {"models": [*(entry(slug, "list") for slug in MODELS), entry("gpt-5.6-internal", "hide")]}


def _detail(status: int, detail: Any, headers: dict[str, str]) -> Reply:
    return json_reply(status, {"detail": detail}, headers)
