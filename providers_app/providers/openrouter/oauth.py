"""Signing in to OpenRouter: PKCE without a client, and the answer is a key that does not end.

The page knows no ``state``, so ours travels inside the callback's own address. Without a callback the page shows the
code, for browsers that cannot reach us. See https://openrouter.ai/docs/guides/overview/auth/oauth.
"""

from urllib.parse import urlsplit

import msgspec

from providers_app import conf, errors
from providers_app.behaviours.lookups import JSON_HEADERS, MAX_BODY, json_of
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, OAuth, OAuthFlow, PendingLogin, grants, pkce
from providers_app.behaviours.oauth.endpoint import origin_of
from providers_app.behaviours.oauth.token_answer import token_in
from providers_app.providers.openrouter import api_key
from providers_app.providers.openrouter.requests import SLUG, attribution
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import Tokens
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http
from providers_app.wire.status import class_of_status, retry_after

PAGE = "https://openrouter.ai/docs/guides/overview/auth/oauth"
MAX_ID = 200
_AGAIN = "Begin the sign-in again; each code works once, for ten minutes."
_ADDRESS = "Check MAESTRO_PROVIDERS__OPENROUTER__KEYS_URL: the code is exchanged by POST over https."

FLOW = OAuthFlow(
    name="openrouter",
    label="OpenRouter account",
    methods=("callback", "loopback", "paste_code"),
    rotation="none",
    description="Creates a key in your account. To revoke it, delete it on https://openrouter.ai/settings/keys.",
    position="OpenRouter offers this sign-in to every application.",
    position_url=PAGE,
    redirect_host="localhost",
)


class OpenRouterOAuth(OAuth):
    """The ``oauth`` behaviour. The key that it makes cannot delete itself: its owner does, on the page of keys."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """There is one."""
        return (FLOW,)

    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Return the address of the page. Raise ``InvalidRequest`` for a callback that is no address."""
        method, redirect_uri = start.method, start.redirect_uri
        if method not in FLOW.methods:
            raise errors.InvalidRequest(f"OpenRouter has no sign-in by {method}.")
        config = conf.provider(SLUG)
        verifier, state = pkce.new_verifier(), pkce.new_state()
        asked = {"code_challenge": pkce.challenge_of(verifier), "code_challenge_method": pkce.METHOD}
        if method == "paste_code":
            asked["key_label"], redirect_uri = config.key_label, ""
        elif urlsplit(redirect_uri).hostname:
            asked["callback_url"] = grants.authorization_url(redirect_uri, {"state": state})
        else:
            raise errors.InvalidRequest("There is no address to which OpenRouter could send the answer.")
        url = grants.authorization_url(config.auth_url, asked)
        return start.pending(url=url, state=state, verifier=verifier, redirect_uri=redirect_uri)

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Obtain the key that was made for us. Raise ``InvalidLoginAnswer`` for a code that is not taken."""
        fields = {
            "code": answer.code.reveal(),
            "code_verifier": pending.verifier.reveal(),
            "code_challenge_method": pkce.METHOD,
        }
        url = keys_url()
        request = HttpRequest(method="POST", url=url, headers=JSON_HEADERS, body=msgspec.json.encode(fields))
        found = await http.send(request, timeout=conf.current().lookup_timeout_s, max_body=MAX_BODY)
        if not 200 <= found.status < 300:
            raise _refused(found)
        body = payload.mapping(json_of(found))
        key = token_in(body, "key")
        if not key:
            raise errors.BadAnswer("OpenRouter answered without a key.", status=found.status, hint=_ADDRESS)
        user = payload.text(body.get("user_id"))
        account = user if user.isprintable() and len(user) <= MAX_ID else ""
        return Tokens(flow=FLOW.name, access=key, issuer=origin_of(url), account_id=account, account_label=account)

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """There is nothing to refresh."""
        raise errors.NotRefreshable("OpenRouter's key does not end, so there is nothing to refresh.")

    async def test(self, credential: Credential, http: Http) -> Account:
        """As for a key that was pasted."""
        return await api_key.BEHAVIOUR.test(credential, http)

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Name the headers that identify the application."""
        return [
            Advice(level="hint", field=name, what=f"The request names the application in {name}: {value}.")
            for name, value in attribution(credential).items()
        ]


def keys_url() -> str:
    """Return the URL at which a code becomes a key."""
    config = conf.provider(SLUG)
    return str(config.keys_url or f"{config.base_url.rstrip('/')}/auth/keys")


def _refused(answer: HttpResponse) -> errors.ProviderError:
    """400: another challenge method; 403: wrong or old code; 405: not POST, or not https. Nothing of it is quoted."""
    match answer.status:
        case 403:
            return errors.InvalidLoginAnswer(
                "OpenRouter does not take the code: it is wrong, used or too old.", hint=_AGAIN
            )
        case 400:
            return errors.LoginError("OpenRouter could not use the code with our proof (status 400).", hint=_AGAIN)
        case 404 | 405:
            return errors.LoginError(
                f"OpenRouter takes no code at this address (status {answer.status}).", hint=_ADDRESS
            )
        case status if status < 400:
            return errors.BadAnswer("The address answered with a redirect; redirects are not followed.", status=status)
    kind = class_of_status(answer.status)
    message = f"OpenRouter answered the sign-in with status {answer.status}."
    return kind(message, status=answer.status, retry_after=retry_after(answer.headers), hint=_AGAIN)


BEHAVIOUR = OpenRouterOAuth()
