"""Keys of express mode go into ``x-goog-api-key``; they reach Google's own models, without project and location.

https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/overview
"""

from providers_app.behaviours.keys import HeaderKey
from providers_app.behaviours.lookups import ask, json_of
from providers_app.errors import BadAnswer, UnknownModel
from providers_app.providers.vertex_ai.requests import probe
from providers_app.providers.vertex_ai.streaming import GENERATE
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http


class ExpressKey(HeaderKey, frozen=True, kw_only=True):
    """A key in a header that is tested by counting."""

    def validate(self, key: str) -> list[Advice]:
        """Return advice on the format; the key is never quoted."""
        if key.lstrip().startswith("{"):
            what = "This is a file, not a key. Choose the sign-in with a service account or with gcloud's credentials."
            return [Advice(level="error", field="api_key", what=what)]
        return super().validate(key)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Count the tokens of one word. Raise ``UpstreamError``."""
        return await tested(self.authorize(credential, self.probe(credential)), "express mode", http)


async def tested(signed: HttpRequest, label: str, http: Http) -> Account:
    """Return the account that a signed probe reaches, also where the model that it counts for is not served."""
    try:
        answer = await ask(signed, http, GENERATE)
    except UnknownModel as error:
        return Account(label=label, request_id=error.request_id)
    if not isinstance(json_of(answer), dict):
        raise BadAnswer("The address answered, but not with a count of tokens.")
    return Account(label=label, request_id=answer.headers.get("x-request-id"))


BEHAVIOUR = ExpressKey(
    header="x-goog-api-key",
    foreign={"sk-ant-": "Anthropic", "sk-or-": "OpenRouter", "sk-": "OpenAI"},
    probe=probe,
    dialect=GENERATE,
)
