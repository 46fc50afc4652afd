"""``POST /responses``, in the form that the session's kind of login takes."""

import re
from collections.abc import Mapping

from providers_app.behaviours.addresses import segment
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.errors import UnknownModel, UpstreamError
from providers_app.providers.openai.requests import body_of, get, mode_of, post
from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import Cursor
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire.status import recast

UNKNOWN_MODEL = re.compile(r"model is not supported when using \w+")
"""In the ``detail`` of a 400 from the endpoint of a ChatGPT login; it has no other mark."""


class OwnResponses(OpenAIResponses, frozen=True, kw_only=True):
    """The common dialect, and one error that names itself in its text only."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        error = super().error(status, headers, body)
        return recast(error, UnknownModel) if status == 400 and UNKNOWN_MODEL.search(error.message) else error


DIALECT = OwnResponses()
STORED = OwnResponses(background=True)
"""With a key: a ChatGPT login stores nothing at the provider, so its answers cannot be resumed."""


class OpenAIStreaming:
    """Responses, streamed or whole; ChatGPT logins are always answered streamed, and read by the same dialect."""

    dialect: Dialect = DIALECT

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """Return the dialect of the session's kind of login, the same for every model."""
        return STORED if mode_of(credential) == "api_key" else DIALECT

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key."""
        streamed = chat.stream or mode_of(credential) != "api_key"
        return post("/responses", credential, body_of(chat, credential), streamed=streamed)

    def resume(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request for the rest of a background response."""
        cursor = chat.cursor or Cursor(response_id="")
        behind = "" if cursor.after is None else f"&starting_after={cursor.after}"
        return get(f"/responses/{segment(cursor.response_id)}?stream=true{behind}", credential, streamed=True)

    def cancel(self, response_id: str, credential: Credential) -> HttpRequest:
        """Build the request that cancels a background response."""
        return post(f"/responses/{segment(response_id)}/cancel", credential, b"{}")


BEHAVIOUR = OpenAIStreaming()
