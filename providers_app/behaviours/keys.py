"""A key in a header: the way nearly every provider signs requests. What is copied with a key, and stands for one."""

import re
from collections.abc import Callable, Mapping

import msgspec

from providers_app.behaviours.lookups import ask, items_of, json_of
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http

Sign = Callable[[Credential, HttpRequest], HttpRequest]
MAX_KEY_CHARS = 16_384
SHORT = 8
_COPIED_ALONG = {
    "a byte order mark": "^[\ufeff\u200b]+|[\ufeff\u200b]+$",
    # A key that is padded Base64 may end with "=", so something else has to follow.
    "the variable name in front of it": r"^(?:export |\$env:)?(?:[A-Z][A-Z0-9_]*|\w*(?:key|token))\s*=\s*(?=.*[^=\s])",
    "the quotes around it": "^[\"'`“”‘’«»]+|[\"'`“”‘’«»]+[,;]?$",
}
_STANDS_FOR_ONE = re.compile(
    r"\.\.\.|…|\*\*\*|^<.*>$|^\[.*\]$|^[$%{]|(?:\b|_)your[-_ ]|(?:key|token)[-_ ]here|change[-_ ]?me|placeholder"
    r"|\b(?:replace|insert|paste)[-_ ]|^(?:[a-z]+-)*x{4,}$|^(?-i:[A-Z_]+_(?:KEY|TOKEN)=?)$",
    re.IGNORECASE,
)


class HeaderKey(msgspec.Struct, frozen=True, kw_only=True):
    """The ``api_key`` behaviour of a provider whose key goes into a header.

    ``scheme`` precedes the key ("Bearer "). ``prefixes`` begin its keys, ``foreign`` maps beginnings of other
    services' keys to their names. ``probe`` makes the cheapest authenticated request, ``counts`` says that its answer
    lists all models, ``label_header`` (lower case) identifies the account; ``account`` reads any other answer.
    """

    header: str
    probe: Callable[[Credential], HttpRequest]
    dialect: Dialect
    scheme: str = ""
    prefixes: tuple[str, ...] = ()
    foreign: Mapping[str, str] = msgspec.field(default_factory=dict)
    counts: bool = False
    label_header: str = ""
    request_id_header: str = "x-request-id"
    account: Callable[[HttpResponse], Account] | None = None

    def validate(self, key: str) -> list[Advice]:
        """Return advice on the key's format; the key itself is never quoted."""
        problem = problem_of(key)
        what = problem or self._doubt(key)
        return [Advice(level="error" if problem else "warning", field="api_key", what=what)] if what else []

    def _doubt(self, key: str) -> str:
        if owner := next((owner for beginning, owner in self.foreign.items() if key.startswith(beginning)), ""):
            return f"This looks like a key of {owner}."
        if self.prefixes and not key.startswith(self.prefixes):
            return f"Keys of this provider usually begin with {' or '.join(self.prefixes)}."
        return "The key is very short. Was it copied whole?" if len(key) < SHORT else ""

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Return the request with the key; unchanged when the session has none."""
        if credential.auth_type == "none" or not credential.secret:
            return request
        return request.with_headers({self.header: self.scheme + credential.secret.reveal()}, secret=True)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Return the account that the probe reaches. Raises ``UpstreamError``."""
        return await self.test_signed(self.authorize(credential, self.probe(credential)), http)

    async def test_signed(self, probe: HttpRequest, http: Http) -> Account:
        """Return the account that a signed probe reaches, which a login signs in its own way. Raises as ``test``."""
        answer = await ask(probe, http, self.dialect)
        if self.account is not None:
            return self.account(answer)
        items = items_of(json_of(answer), "data", "models")
        return Account(
            label=answer.headers.get(self.label_header, "")[:200] if self.label_header else "",
            models=len(items) if self.counts else None,
            request_id=answer.headers.get(self.request_id_header),
        )


def key_or_login(key: Sign, login: Sign) -> Sign:
    """Return what signs with the key or with the login, whichever the session has."""
    return lambda credential, request: (login if credential.auth_type == "oauth" else key)(credential, request)


def bearer(credential: Credential, request: HttpRequest) -> HttpRequest:
    """Return the request with the credential's access token; unchanged where there is none."""
    if not credential.secret:
        return request
    return request.with_headers({"authorization": f"Bearer {credential.secret.reveal()}"}, secret=True)


def bare(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the key in a pasted or read text, and what was copied with it: quotes, a name, a byte order mark."""
    key, removed = text.strip(), dict[str, None]()
    for what, pattern in (*_COPIED_ALONG.items(),) * 2:  # quotes are around the value, or the whole assignment
        if (left := re.sub(pattern, "", key).strip()) != key:
            key, removed[what] = left, None
    return key, tuple(removed)


def problem_of(key: str) -> str:
    """Return why a text can be no provider's key, without quoting it; empty where it can."""
    if not key.strip():
        return "The key is empty."
    if len(key) < MAX_KEY_CHARS and _STANDS_FOR_ONE.search(key):
        return "This is a placeholder or a shortened key, not the key itself."
    if len(key) > MAX_KEY_CHARS:
        return f"The key is longer than {MAX_KEY_CHARS} characters."
    if any(ord(char) < 32 or ord(char) == 127 for char in key):
        return "The key contains line breaks or control characters."
    if any(char.isspace() for char in key):
        return "The key contains spaces."
    if any(ord(char) > 126 for char in key):
        return "The key contains characters that no key has (only plain ASCII letters, digits and signs)."
    return ""
