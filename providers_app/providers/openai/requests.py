"""Address and headers of requests to OpenAI: a key, or one of the two kinds of ChatGPT login.

api_key    base_url, with the organization and the project where they are known
plan       base_url, the bearer token alone (Sign in with ChatGPT)
chatgpt    chatgpt_base_url, with the account and our own name
"""

from providers_app import conf
from providers_app.behaviours import addresses
from providers_app.providers.openai.subscription import mode_of
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "openai"
ACCOUNT_HEADERS = {"OpenAI-Organization": "organization", "OpenAI-Project": "project"}


def post(path: str, credential: Credential, body: bytes, *, streamed: bool = False) -> HttpRequest:
    """Return a JSON request."""
    return addresses.post(_address(credential, path), body, streamed=streamed, headers=_account(credential))


def get(path: str, credential: Credential) -> HttpRequest:
    """Return a request for data."""
    return addresses.get(_address(credential, path), _account(credential))


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
