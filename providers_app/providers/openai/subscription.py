"""Changes that a ChatGPT login makes to a request: the body, and the words that say so, made by one function. Pure.

``chatgpt`` is the ChatGPT backend, ``plan`` the public API with the tokens of Sign in with ChatGPT
(developers.openai.com/siwc/token-sharing-open-source/models-and-inference). Both answer streamed only, store nothing,
and refuse the fields below; a key takes them all.
"""

from typing import Any

from providers_app.dialects.openai_responses import DIALECT
from providers_app.providers.openai import account
from providers_app.types.advice import REFUSED_BY_LOGIN, Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.wire import payload

_BOTH = (
    *("background", "max_output_tokens", "max_tool_calls", "metadata", "previous_response_id", "temperature", "top_p"),
    *("prompt_cache_retention", "safety_identifier", "truncation", "user"),
)
REFUSED = {
    "chatgpt": sorted((*_BOTH, "stream_options")),
    "plan": sorted((*_BOTH, "conversation", "moderation", "multi_agent", "prompt", "top_logprobs")),
}
NAMES = {"chatgpt": "a sign-in in ChatGPT mode", "plan": "Sign in with ChatGPT"}


def mode_of(credential: Credential) -> account.Mode:
    """Return the mode of this credential's requests; a key, and a login without a mode, is ``api_key``."""
    match credential.settings.get("mode") if credential.auth_type == "oauth" else "":
        case "chatgpt" | "plan" as mode:
            return mode
    return "api_key"


def body_of(chat: ChatRequest, credential: Credential) -> bytes:
    """Build the JSON body as this credential's endpoint takes it."""
    mode = mode_of(credential)
    if mode == "api_key":
        return DIALECT.build_body(chat)
    return payload.encode(_adjusted(chat, mode)[0])


def advice(chat: ChatRequest, credential: Credential) -> list[Advice]:
    """Tell what ``body_of`` takes out and adds, and warn of a mode that was only assumed."""
    mode = mode_of(credential)
    if credential.auth_type != "oauth":
        return []
    found = account.warnings(credential.settings)
    return found if mode == "api_key" else [*found, *_adjusted(chat, mode)[1]]


def _adjusted(chat: ChatRequest, mode: account.Mode) -> tuple[dict[str, Any], list[Advice]]:
    body: dict[str, Any] = payload.mapping(payload.decode(DIALECT.build_body(chat)))
    name, found = NAMES[mode], []
    for field in (field for field in REFUSED[mode] if field in body):
        del body[field]
        what = f"{field} is not sent: {name} refuses it."
        found.append(Advice(level="warning", field=field, what=what, code=REFUSED_BY_LOGIN))
    if body.get("store") is not False:
        body["store"] = False
        message = f"store is sent as false: {name} keeps nothing at the provider."
        found.append(Advice(level="warning", field="store", what=message, nearest=False, code=REFUSED_BY_LOGIN))
    if body.get("stream") is not True:
        body["stream"] = True
        message = f"The answer is asked for as a stream and put together here: {name} gives no other."
        found.append(Advice(level="hint", field="stream", what=message))
    if mode == "chatgpt" and not isinstance(body.get("instructions"), str):
        body["instructions"] = ""
        message = f"Empty instructions are sent: {name} asks for the field, and the chat has no system message."
        found.append(Advice(level="hint", field="instructions", what=message))
    return body, found
