"""The cheapest request that needs a valid login, an enabled API and the right to ask models: counting one word."""

from providers_app.providers.vertex_ai import publishers
from providers_app.providers.vertex_ai.requests import call_url, post, settings
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

BODY = b'{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}'


def request(credential: Credential) -> HttpRequest:
    """Without its credential. Raises ``InvalidRequest`` where the session names no project."""
    return post(call_url(publishers.read(settings().test_model), "countTokens", credential), BODY)
