"""Reading of error answers in any form: objects, strings, lists, HTML or nothing at all."""

import math
import re
import time
from typing import Any

import msgspec

from providers_app.wire import payload

MAX_MESSAGE = 500
MAX_SAID = 4000
"""Characters of a message that a server put into its error object; ``MAX_MESSAGE`` is for text that was guessed at."""
MAX_WORD = 200
MAX_PAGE = 8000
_KEY_LIKE = re.compile(r"\b(?:(?:sk|pk|rk|gsk|xai|pplx|hf|key)[-_]|AIza|ya29\.|eyJ)[A-Za-z0-9_\-.]{16,}")
_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = re.compile(r"<(script|style|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^<>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


class ErrorFields(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's own words for an error; ``found`` is false when the body was no error object.

    ``status`` is a status that the body names (100 to 599), ``reasons`` are further machine-readable words, ``detail``
    is the cause that an intermediary wrapped, ``retry_after`` is in seconds.
    """

    message: str = ""
    type: str | None = None
    code: str | None = None
    status: int | None = None
    reasons: tuple[str, ...] = ()
    detail: str = ""
    retry_after: float | None = None
    request_id: str | None = None
    found: bool = True


def redact(text: str) -> str:
    """Return text without NUL, which no database stores, and without keys: some servers repeat a refused one."""
    return _KEY_LIKE.sub("***", text.replace("\0", ""))


def fields_of_body(body: bytes) -> ErrorFields:
    """Read the fields of an error answer's whole body, whatever its content type says."""
    stripped = body.strip().removeprefix(b"\xef\xbb\xbf")
    candidates = [stripped] if stripped[:1] in (b"{", b"[", b'"') else []
    if stripped[:5] in (b"data:", b"event", b"error"):
        lines = (line.partition(b":") for line in stripped.splitlines())
        candidates += [value.strip() for name, _, value in lines if name in (b"data", b"error")]
    for candidate in candidates:
        try:
            return fields_of(payload.decode(candidate))
        except ValueError:
            continue
    return ErrorFields(message=plain_text(stripped), found=False)


def plain_text(body: bytes) -> str:
    """Return the readable start of a body that is not JSON: an HTML page's title and text without tags."""
    text = body[:MAX_PAGE].decode("utf-8", "replace")
    if text[:1] == "<":
        title = _TITLE.search(text)
        text = (title[1] if title else "") or _TAG.sub(" ", _HIDDEN.sub(" ", text))
    return redact(" ".join(text.split()))[:MAX_MESSAGE]


def fields_of(value: Any) -> ErrorFields:
    """Read the fields of a decoded error answer; ``found`` is false when nothing in it is an error."""
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), {})
    if isinstance(value, str):
        return ErrorFields(message=redact(value)[:MAX_MESSAGE])
    if not isinstance(value, dict):
        return ErrorFields(found=False)
    error = value.get("error")
    if error is None and isinstance(value.get("detail"), dict):
        error = value["detail"]
    inner, message = error if isinstance(error, dict) else value, _message(value, error)
    metadata, details = payload.mapping(inner.get("metadata")), payload.mapping(inner.get("details"))
    code = details.get("error_code", inner.get("code") or inner.get("error_code"))
    kind = inner.get("type") if inner is not value or value.get("type") != "error" else None
    return ErrorFields(
        message=redact(message[:MAX_SAID]),
        type=_word(kind) or _word(payload.text(inner.get("status"))) or _word(metadata.get("error_type")),
        code=_word(code),
        status=_status(inner, value),
        reasons=_reasons(inner, metadata, details),
        detail=_wrapped(metadata.get("raw")),
        retry_after=_retry_delay(inner),
        request_id=_word(value.get("request_id")),
        found=bool(message or error),
    )


def _word(value: Any) -> str | None:
    if value is None or value == "" or isinstance(value, bool | dict | list):
        return None
    return redact(str(value)[:MAX_WORD])


def _message(value: dict[str, Any], error: Any) -> str:
    first = {name: next(iter(payload.sequence(value.get(name))), None) for name in ("detail", "errors")}
    candidates = (
        payload.mapping(error).get("message"),
        *(error, value.get("message"), value.get("detail")),
        payload.mapping(first["detail"]).get("msg"),
        payload.mapping(first["errors"]).get("message"),
        payload.mapping(value.get("fault")).get("faultstring"),
        *(value.get(name) for name in ("title", "msg", "error_msg")),
        payload.mapping(value.get("base_resp")).get("status_msg"),
    )
    return next((text for text in candidates if isinstance(text, str) and text), "")


def _status(inner: dict[str, Any], value: dict[str, Any]) -> int | None:
    for candidate in (inner.get("code"), inner.get("status"), inner.get("status_code"), value.get("statusCode")):
        if isinstance(candidate, str) and candidate.isdigit() and len(candidate) == 3:
            candidate = int(candidate)
        if isinstance(candidate, int) and not isinstance(candidate, bool) and 100 <= candidate <= 599:
            return candidate
    return None


def _reasons(inner: dict[str, Any], metadata: dict[str, Any], details: dict[str, Any]) -> tuple[str, ...]:
    words = [payload.mapping(inner.get("innererror")).get("code"), details.get("error_code")]
    if metadata.get("reasons"):
        words.append("moderation")
    for item in payload.sequence(inner.get("details")):
        item = payload.mapping(item)
        words.append(item.get("reason"))
        for violation in payload.sequence(item.get("violations")):
            violation = payload.mapping(violation)
            if "PerDay" in payload.text(violation.get("quotaId")):
                words.append("quota_per_day")
            if violation.get("quotaValue") in ("0", 0):
                words.append("quota_zero")
    return tuple(word for word in words if isinstance(word, str) and word)


def _retry_delay(inner: dict[str, Any]) -> float | None:
    left = inner.get("resets_in_seconds")
    if left is None and isinstance(inner.get("resets_at"), int | float):
        left = inner["resets_at"] - time.time()
    if isinstance(left, int | float) and not isinstance(left, bool) and math.isfinite(left):
        return max(0.0, float(left))
    for item in payload.sequence(inner.get("details")):
        delay = payload.text(payload.mapping(item).get("retryDelay"))
        if delay.endswith("s"):
            try:
                seconds = float(delay[:-1])
            except ValueError:
                return None
            return max(0.0, seconds) if math.isfinite(seconds) else None
    return None


def _wrapped(raw: Any) -> str:
    if isinstance(raw, str) and raw[:1] in "{[":
        try:
            raw = payload.decode(raw.encode("utf-8", "replace"))
        except ValueError:
            return redact(raw)[:MAX_MESSAGE]
    if isinstance(raw, dict):
        return redact(_message(raw, raw.get("error"))[:MAX_MESSAGE])
    return redact(raw[:MAX_MESSAGE]) if isinstance(raw, str) else ""
