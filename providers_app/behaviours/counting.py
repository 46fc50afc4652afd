"""Counting the tokens of a request before it is sent, where the provider offers it.

The one optional behaviour: a package that has it adds ``counting.py`` and claims ``count_tokens``; else Maestro
estimates.
"""

from typing import Protocol

from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest


class Counting(Protocol):
    """The ``counting`` behaviour of a provider."""

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """The counting request, without its credential. Pure."""
        ...

    def parse(self, body: bytes) -> int:
        """The number of input tokens in a 2xx answer. Raises ``BadAnswer`` when there is none in it."""
        ...
