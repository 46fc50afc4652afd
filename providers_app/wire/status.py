"""From an error answer to the typed error: the status decides first, the provider's own words refine it."""

import datetime
import email.utils
import math
import time
from collections.abc import Mapping

import msgspec

from providers_app import errors
from providers_app.wire.error_body import ErrorFields, fields_of_body, redact

MAX_BODY = 2000
_SILENT_ERROR = "The provider reported an error without a message."
_NO_ERROR = "The address answered with JSON that is neither a model's answer nor an error."
_BY_STATUS: dict[int, type[errors.UpstreamError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    402: errors.BillingRequired,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    408: errors.RequestTimeout,
    409: errors.Conflict,
    413: errors.RequestTooLarge,
    429: errors.RateLimited,
    499: errors.Cancelled,
    503: errors.Overloaded,
    504: errors.UpstreamTimeout,
    529: errors.Overloaded,
}
_DETAILS = ("status", "type", "upstream_code", "retry_after", "request_id", "body")
_SHOULD_RETRY = {"true": errors.Retry.AFTER_WAIT, "false": errors.Retry.NEVER}
"""The provider's own word, which beats the status (https://github.com/openai/openai-python, ``_base_client.py``)."""
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-ms-request-id", "x-generation-id")


class ErrorWords(msgspec.Struct, frozen=True, kw_only=True):
    """The meaning of a dialect's machine-readable error words: the codes, types and reasons that the provider sends.

    ``refining`` words say more than the status and replace its class (a 429 that is a used-up quota). ``kinds`` are
    only asked when there is no status (an error inside a 200).
    """

    refining: Mapping[str, type[errors.UpstreamError]]
    kinds: Mapping[str, type[errors.UpstreamError]]


def meanings(table: Mapping[type[errors.UpstreamError], str]) -> dict[str, type[errors.UpstreamError]]:
    """Map every word of ``table`` (an error class and its words, separated by spaces) to its class."""
    return {word: kind for kind, words in table.items() for word in words.split()}


def class_of_status(status: int) -> type[errors.UpstreamError]:
    """Return the error class of an HTTP status >= 400."""
    return _BY_STATUS.get(status, errors.ServerError if status >= 500 else errors.BadRequest)


RETRYABLE_STATUSES = frozenset(one for one in range(400, 600) if class_of_status(one).retry is not errors.Retry.NEVER)
"""Statuses after which the same request may be sent again before anything was shown, unless the body says otherwise."""


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes, words: ErrorWords) -> errors.UpstreamError:
    """Return the typed error of an answer with an error status, whatever its body is."""
    fields = fields_of_body(body)
    silent = f"The provider answered with status {status} and said nothing."
    fields = msgspec.structs.replace(fields, message=fields.message or silent)
    return error_of_fields(fields, words, status=status, headers=headers, body=body)


def error_of_fields(
    fields: ErrorFields,
    words: ErrorWords,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> errors.UpstreamError:
    """Return the typed error of extracted ``fields``; without a ``status`` it came inside a 200."""
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    wait = retry_after(lowered)
    kind = _class(fields, words, status)
    request_id = next((lowered[name] for name in _REQUEST_IDS if lowered.get(name)), None)
    hint, retry = kind.default_hint, _SHOULD_RETRY.get(lowered.get("x-should-retry", ""))
    if fields.detail and fields.detail != fields.message:
        hint = f"{hint} The upstream said: {fields.detail}".strip()
    error = kind(
        fields.message or (_SILENT_ERROR if fields.found else _NO_ERROR),
        hint=hint,
        status=status,
        type=fields.type,
        upstream_code=fields.code,
        retry_after=wait if wait is not None else fields.retry_after,
        request_id=request_id or fields.request_id,
        body=redact(body[:MAX_BODY].decode("utf-8", "replace")).encode(),
    )
    if retry is not None:
        error.retry = retry
    return error


def _class(fields: ErrorFields, words: ErrorWords, status: int | None) -> type[errors.UpstreamError]:
    said = [word for word in (*fields.reasons, fields.code, fields.type) if word]
    refined = next((words.refining[word] for word in said if word in words.refining), None)
    if refined is not None and (status is None or status < 500):
        return refined
    if status is not None:
        return class_of_status(status)
    if (kind := next((words.kinds[word] for word in said if word in words.kinds), None)) is not None:
        return kind
    if fields.status is not None and fields.status >= 400:
        return class_of_status(fields.status)
    return errors.UpstreamError if fields.found else errors.BadAnswer


def recast(
    error: errors.UpstreamError, kind: type[errors.UpstreamError], hint: str = "", message: str = ""
) -> errors.UpstreamError:
    """Return the same error as another class, also with another message: for answers that need an explanation."""
    return kind(message or error.message, hint=hint, **{name: getattr(error, name) for name in _DETAILS})


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait by ``retry-after-ms`` or ``retry-after`` (seconds or an HTTP date), else ``None``.

    ``headers`` has lower-case names. A ``retry-after-ms`` of zero beside a longer ``retry-after`` is not believed.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(value)
        moment = (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0 if milliseconds == 0 else None
    return max(0.0, moment - (time.time() if now is None else now))


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
