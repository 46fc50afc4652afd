"""``POST /chat/completions`` as one session's server speaks it, with advice where it refuses a field."""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from providers_app.behaviours.addresses import address, post
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.errors import BadRequest, NotFound, UpstreamError
from providers_app.providers.remote.options import server_of
from providers_app.providers.remote.servers import SLUG, Server
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.status import recast

REFUSING = frozenset({400, 422})
# What a server says of a field that it does not take, and the option that leaves it out or writes it otherwise.
ADVICE: tuple[tuple[str, str], ...] = (
    ("max_completion_tokens", "set the option max_tokens_field to max_tokens"),
    ("max_tokens", "set the option max_tokens_field to max_completion_tokens"),
    ("stream_options", "set the option include_usage to false"),
    ("include_usage", "set the option include_usage to false"),
    ("developer", "set the option system_role to system"),
    ("reasoning_content", "set the option reasoning_replay to none"),
    ("reasoning_details", "set the option reasoning_replay to none"),
    ("json_schema", "set the option structured to json_object"),
    ("response_format", "set the option structured to json_object"),
    ("Tool call id", "set the option tool_ids to nine"),
    ("image_url", "set the option image_urls to false"),
)
_FIELDS = ("parallel_tool_calls", "tool_choice", "tools", "reasoning_effort", "seed", "temperature", "top_p", "stop")
LEFT_OUT = tuple((field, f"add {field} to the option unsupported") for field in _FIELDS)
"""Fields that nothing replaces."""
_REFUSED = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|extra (?:inputs|fields)|not permitted|not allowed"
    r"|unavailable|invalid|must be|does not support|doesn't support",
    re.IGNORECASE,
)

_VERSION = re.compile(r"/v\d")


class RemoteChat(OpenAIChat, frozen=True, kw_only=True):
    """The common dialect; a refusal of a field names the option that helps. Nothing is sent again by itself.

    ``likely`` is the base URL to try where this one is not found; empty where it has the usual path.
    """

    likely: str = ""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        error = super().error(status, headers, body)
        if self.likely and type(error) is NotFound:
            return recast(error, NotFound, f"Is the base URL complete? Try {self.likely}.")
        if status not in REFUSING or type(error) is not BadRequest:
            return error
        hint = advice(f"{error.message} {_place(body)}")
        return recast(error, BadRequest, hint) if hint else error


def advice(message: str) -> str:
    """Name the option to set when ``message`` is about a field that the server does not take; else nothing."""
    if not _REFUSED.search(message):
        return ""
    # What is refused is named first; what may be sent instead comes after it.
    named = [(place, what) for word, what in (*ADVICE, *LEFT_OUT) if (place := _place_of(word, message)) is not None]
    return f"If the server does not take this, {min(named)[1]} on the session's page." if named else ""


def _place(body: bytes) -> str:
    """Return the field that the body names beside its message: ``param``, or ``loc`` of a validation error."""
    try:
        value = payload.mapping(payload.decode(body))
    except ValueError:
        return ""
    errors = payload.sequence(value.get("detail"))
    inner = payload.mapping(value.get("error")) or payload.mapping(errors[0] if errors else value)
    places = [inner.get("param"), *payload.sequence(inner.get("loc"))]
    return " ".join(place for place in places if isinstance(place, str))


def _place_of(word: str, message: str) -> int | None:
    found = re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", message, re.IGNORECASE)
    return found.start() if found else None


def dialect(credential: Credential | None = None) -> RemoteChat:
    """Return the dialect of the session's server, the very same one for the same row."""
    return _of_server(server_of(credential), credential.base_url or "" if credential else "")


@lru_cache(maxsize=1024)
def _of_server(server: Server, base_url: str) -> RemoteChat:
    parts = urlsplit(base_url)
    usual = urlsplit(server.base_url).path if server.base_url or server.hosts else "/v1"
    complete = not base_url or not usual or _VERSION.search(parts.path)
    likely = "" if complete else f"{parts.scheme}://{parts.netloc}{'' if server.base_url else parts.path}{usual}"
    form = server.form
    return RemoteChat(request=form, think_tags=server.think_tags, likely=likely, continues=bool(form.prefix))


class RemoteStreaming:
    """Chat Completions, streamed or whole."""

    @property
    def dialect(self) -> Dialect:
        """As configured for all compatible servers."""
        return dialect()

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """As this session's server speaks it."""
        return dialect(credential)

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key."""
        url = address(SLUG, credential, "/chat/completions")
        if chat.prefilled and (path := server_of(credential).prefix_path):
            parts = urlsplit(url)
            url = parts._replace(path=parts.path.replace("/v1/", f"{path}/", 1)).geturl()
        return post(url, dialect(credential).build_body(chat), streamed=chat.stream)


BEHAVIOUR = RemoteStreaming()
