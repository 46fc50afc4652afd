"""Answers that are the same for every vendor: JSON, a gateway's HTML page, nothing at all, and waiting times."""

import json
import time
from email.utils import formatdate
from typing import Any

from tests.vendors.asgi import Reply
from tests.vendors.plan import Plan

HTML = (
    "<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>{status} Bad Gateway</h1></center>"
    "\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


def json_reply(status: int, payload: Any, headers: dict[str, str] | None = None, plan: Plan | None = None) -> Reply:
    """A JSON body."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    return Reply(status, {"content-type": "application/json", **(headers or {})}, body, plan or Plan())


def foreign_reply(plan: Plan) -> Reply | None:
    """The HTML page or empty body that the plan asks for, else ``None``."""
    if plan.status is None or plan.body == "vendor":
        return None
    if plan.body == "html":
        page = HTML.format(status=plan.status).encode()
        return Reply(plan.status, {"content-type": "text/html", **retry_headers(plan)}, page)
    return Reply(plan.status, {"content-length": "0", **retry_headers(plan)}, b"")


def retry_headers(plan: Plan) -> dict[str, str]:
    """The planned waiting time as OpenAI and Anthropic say it."""
    if plan.retry_after is None:
        return {}
    match plan.retry_form:
        case "retry-after-ms":
            return {"retry-after-ms": f"{plan.retry_after:g}"}
        case "retry-after-date":
            return {"retry-after": formatdate(time.time() + plan.retry_after, usegmt=True)}
        case _:
            return {"retry-after": f"{plan.retry_after:g}"}


def bearer(headers: dict[str, str]) -> str | None:
    """The token of ``Authorization: Bearer TOKEN``."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def sse(payload: Any, *, event: str | None = None, newline: str = "\n", compact: bool = True) -> bytes:
    """One server-sent event with a JSON payload."""
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))
    head = f"event: {event}{newline}" if event else ""
    return f"{head}data: {data}{newline}{newline}".encode()
