"""``POST /responses/input_tokens``, which takes a key only."""

from providers_app.behaviours.lookups import JsonCount
from providers_app.dialects.openai_responses import DIALECT
from providers_app.errors import UnsupportedOperation
from providers_app.providers.openai.requests import mode_of, post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest


def _request(chat: ChatRequest, credential: Credential, body: bytes) -> HttpRequest:
    if mode_of(credential) != "api_key":
        raise UnsupportedOperation("OpenAI counts tokens for keys only, not for ChatGPT logins.")
    return post("/responses/input_tokens", credential, body)


BEHAVIOUR = JsonCount(
    dialect=DIALECT,
    fields=frozenset(
        {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"}
    ),
    request=_request,
    result="input_tokens",
)
