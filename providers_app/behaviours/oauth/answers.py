"""From what a person pasted, or what a callback carried, to a ``LoginAnswer``; and whether it fits the sign-in. Pure.

code#state                                        Anthropic's page
https://host/path?code=...&state=...              an address, also without its scheme, also with a fragment
code=...&state=...                                its query
code                                              where nothing else was shown
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote

from providers_app.behaviours.oauth import LoginAnswer, PendingLogin
from providers_app.behaviours.oauth.refusals import ISSUED_CLIENT, code_of, denial, of_another
from providers_app.errors import InvalidLoginAnswer
from providers_app.types.credentials import Secret
from providers_app.types.tokens import secrets_of

MAX_LENGTH = 16_384
MAX_PARAMS = 64
_WRAPPED = re.compile(r"\s*[\r\n]+\s*")
_AROUND = "\"'`<>()[] \t\r\n\u200b\ufeff"
_CODE = re.compile(r"[!-~]+")
"""RFC 6749 appendix A.11: a code is made of visible ASCII characters."""
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_ASKING = frozenset({"response_type", "code_challenge", "redirect_uri"})

_COPY = "Copy the whole address from the address bar after the provider's page sent you on, or the code that it shows."


def parse(text: str) -> LoginAnswer:
    """Return the answer in a pasted text. Raises ``InvalidLoginAnswer``, which quotes nothing of it."""
    if len(text) > MAX_LENGTH:
        raise InvalidLoginAnswer(f"What was pasted is longer than {MAX_LENGTH} characters.", hint=_COPY)
    if not (cleaned := _WRAPPED.sub("", text.strip(_AROUND))):
        raise InvalidLoginAnswer("Nothing was pasted.", hint=_COPY)
    if not _CODE.fullmatch(cleaned):
        what = "What was pasted is neither an address nor a code: it has spaces or characters that neither has."
        raise InvalidLoginAnswer(what, hint=_COPY)
    before, mark, query = cleaned.partition("?")
    if mark or "://" in cleaned:
        return _of_address(before, query)
    if cleaned.startswith(("code=", "state=", "error=")) or ("&" in cleaned and "code=" in cleaned):
        return of_params(_pairs(cleaned.partition("#")[0]))
    code, hash_mark, state = cleaned.partition("#")
    if not code or "#" in state:
        raise InvalidLoginAnswer("What was pasted is not a code: it begins with # or has several of them.", hint=_COPY)
    # A code with escapes was copied out of an address.
    code = unquote(code) if _ESCAPE.search(code) else code
    return LoginAnswer(code=Secret(code), state=Secret(state) if hash_mark and state else None)


def of_params(params: Mapping[str, str]) -> LoginAnswer:
    """Return the answer in a callback's parameters. Raises ``InvalidLoginAnswer`` without a code or an error."""
    code, state = params.get("code", ""), params.get("state")
    if not code and not params.get("error"):
        asking = "This is the address of the provider's sign-in page, not the one that you landed on."
        neither = "The address has neither a code nor an error in it."
        raise InvalidLoginAnswer(asking if _ASKING & params.keys() else neither, hint=_COPY)
    rest = {name: value for name, value in params.items() if name not in ("code", "state")}
    return LoginAnswer(code=Secret(code), state=Secret(state) if state else None, params=rest)


def check(pending: PendingLogin, answer: LoginAnswer) -> None:
    """Check that the answer belongs to this sign-in and has a code.

    A sign-in that has a state takes only an answer with the same one; a bare code is taken where the page shows
    nothing else. Raises ``InvalidLoginAnswer`` (wrong or missing state or issuer, no code) and ``LoginDenied``.
    """
    error = answer.params.get("error", "")
    if pending.state:
        if answer.state is None:
            if pending.method != "paste_code" and not (error and pending.method == "paste_url"):
                raise InvalidLoginAnswer(
                    "The answer does not say which sign-in it belongs to (it has no state).",
                    hint="Paste the whole address, not only the code.",
                )
        elif not same(answer.state, pending.state):
            raise InvalidLoginAnswer(
                "The answer belongs to another sign-in (its state differs).",
                hint="Use the page that was opened last, or begin the sign-in again.",
            )
    _check_issuer(pending, answer.params.get("iss"))
    if error:
        known = [*secrets_of(pending), *secrets_of(answer)]
        if pending.client_of and error in ISSUED_CLIENT:
            raise of_another(pending.client_of, error)
        said = answer.params
        raise denial(code_of(error, known), said.get("error_description", ""), said.get("error_subtype", ""))
    if not answer.code:
        raise InvalidLoginAnswer("The answer has no code in it.", hint=_COPY)


def _check_issuer(pending: PendingLogin, named: str | None) -> None:
    """Raise ``InvalidLoginAnswer`` for an answer, also an error, of another issuer (RFC 9207, section 2.4)."""
    if not pending.issuer or named == pending.issuer or (named is None and not pending.names_issuer):
        return
    raise InvalidLoginAnswer(
        f"The answer {'does not say' if named is None else 'names another server as the one'} that it comes from "
        f"{pending.issuer}, where this sign-in was begun (iss).",
        hint="It was not used. Paste the whole address that you landed on last, or begin the sign-in again.",
    )


def _of_address(before: str, query: str) -> LoginAnswer:
    """Return the answer in an address, cut at its first ``?``; without a query, the fragment may hold it."""
    if not query:
        return of_params(_pairs(before.partition("#")[2]))
    query, _, fragment = query.partition("#")
    pairs = _pairs(query)
    if "code" in pairs and "state" not in pairs and fragment and not {"=", "&", "#"} & set(fragment):
        pairs["state"] = fragment
    return of_params(pairs)


def _pairs(query: str) -> dict[str, str]:
    try:
        found = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMS, errors="strict")
    except ValueError:  # also too many fields, and bytes that are no UTF-8
        raise InvalidLoginAnswer("The address that was pasted could not be read.", hint=_COPY) from None
    return single(found)


def single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters by name. Raises ``InvalidLoginAnswer`` for one that came twice (RFC 6749 section 3.1)."""
    params: dict[str, str] = {}
    for name, value in pairs:
        if name in params and name in ("code", "state", "error", "iss"):
            raise InvalidLoginAnswer("The answer names its code, state, issuer or error twice.", hint=_COPY)
        params.setdefault(name, value)
    return params


def same(one: Secret, other: Secret) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(one.reveal().encode(), other.reveal().encode())
