"""Requests to OpenAI: a key, or one of the two kinds of ChatGPT login.

api_key    base_url, with the organization and the project where they are known
plan       base_url, the bearer token alone (Sign in with ChatGPT)
chatgpt    chatgpt_base_url, with the account and our own name

Both kinds of ChatGPT login are answered streamed only, store nothing, and refuse the fields below; a key takes them all
(developers.openai.com/siwc/token-sharing-open-source/models-and-inference). What is changed in a body and the advice
that says so are made by one function.
"""

from typing import Any

from providers_app import conf
from providers_app.behaviours import addresses
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.providers.openai import account
from providers_app.types.advice import REFUSED_BY_LOGIN, Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire import payload

DIALECT = OpenAIResponses(background=True)
SLUG = "openai"
ACCOUNT_HEADERS = {"OpenAI-Organization": "organization", "OpenAI-Project": "project"}
_BOTH = (
    *("background", "max_output_tokens", "max_tool_calls", "metadata", "previous_response_id", "temperature", "top_p"),
    *("prompt_cache_retention", "safety_identifier", "truncation", "user"),
)
REFUSED = {
    "chatgpt": sorted((*_BOTH, "stream_options")),
    "plan": sorted((*_BOTH, "conversation", "moderation", "multi_agent", "prompt", "top_logprobs")),
}
NAMES = {"chatgpt": "a sign-in in ChatGPT mode", "plan": "Sign in with ChatGPT"}


def post(path: str, credential: Credential, body: bytes, *, streamed: bool = False) -> HttpRequest:
    """Return a JSON request."""
    return addresses.post(_address(credential, path), body, streamed=streamed, headers=_account(credential))


def get(path: str, credential: Credential, *, streamed: bool = False) -> HttpRequest:
    """Return a request for data."""
    accept = {"accept": "text/event-stream"} if streamed else {}
    return addresses.get(_address(credential, path), {**_account(credential), **accept})


def _address(credential: Credential, path: str) -> str:
    """Return the URL. A login's tokens go to the configured addresses only; a key goes where its session says."""
    if credential.auth_type != "oauth":
        return addresses.address(SLUG, credential, path)
    config = conf.provider(SLUG)
    base: str = config.chatgpt_base_url if mode_of(credential) == "chatgpt" else config.base_url
    return base.rstrip("/") + path


def _account(credential: Credential) -> dict[str, str]:
    """Return the headers that name the account to bill, where the session or the configuration does."""
    mode = mode_of(credential)
    if mode == "plan":
        return {}
    if mode == "chatgpt":
        found = {"ChatGPT-Account-ID": credential.settings.get("account_id", "")}
        found["originator"] = conf.provider(SLUG).oauth.originator
    elif credential.auth_type == "oauth":  # the key belongs to the account's own organization, whatever is configured
        found = {header: credential.settings.get(name, "") for header, name in ACCOUNT_HEADERS.items()}
    else:
        found = {header: addresses.setting(SLUG, credential, name) for header, name in ACCOUNT_HEADERS.items()}
    return {header: value for header, value in found.items() if value}


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
