"""How a request to a compatible server is addressed, and what such servers do differently as data."""

from typing import Any, get_args

from providers_app import conf
from providers_app.behaviours.addresses import address
from providers_app.behaviours.http import HttpRequest
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.types.credentials import Credential

SLUG = "remote"


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request."""
    headers = {"content-type": "application/json", "accept": accept}
    return HttpRequest(method="POST", url=address(SLUG, credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    return HttpRequest(method="GET", url=address(SLUG, credential, path), headers={"accept": "application/json"})


def dialect(credential: Credential | None = None) -> OpenAIChat:
    """Chat Completions as the session, else the configuration, says that the server speaks it."""
    config = conf.provider(SLUG)
    own = credential.settings if credential is not None else {}

    def quirk(name: str) -> Any:
        value, field = own.get(name), type(config).model_fields[name]
        choices = get_args(field.annotation)
        return value if value is not None and (not choices or value in choices) else getattr(config, name)

    include_usage = quirk("include_usage")
    return OpenAIChat(
        request=RequestForm(
            family=SLUG,
            max_tokens_field=quirk("max_tokens_field"),
            system_role=quirk("system_role"),
            include_usage=include_usage if isinstance(include_usage, bool) else include_usage.lower() != "false",
            reasoning_replay=quirk("reasoning_replay"),
            unsupported=frozenset(name.strip() for name in quirk("unsupported").split(",") if name.strip()),
        ),
        think_tags=quirk("think_tags"),
    )
