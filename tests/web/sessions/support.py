"""What the page tests share."""

import html
import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

HTMX = {"HX-Request": "true"}


def signed_in(user: User) -> Client:
    """A browser of this person."""
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def messages_of(answer: Any) -> str:
    """The messages that a redirect left for the next page."""
    return " ".join(str(message) for message in answer.wsgi_request._messages)


def codes_of(answer: Any) -> list[str]:
    """The error codes that stand beside those messages."""
    return [message.extra_tags for message in answer.wsgi_request._messages if message.extra_tags]


def copyable(answer: Any) -> list[str]:
    """What the buttons of a page put on the clipboard."""
    return re.findall(r'data-copy="([^"]+)"', answer.content.decode())
