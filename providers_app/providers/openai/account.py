"""The kind of account that signed in, which decides how it is asked: read from the claims of a verified id token. Pure.

The claims (codex-rs ``login/src/token_data.rs``) stand below OpenAI's own name; the e-mail address stands at the top or
below ``https://api.openai.com/profile``.

    plan                                   mode
    free, go, plus, pro, team              chatgpt    the access token, against the ChatGPT backend
    any, with an openai.com address        chatgpt
    business, enterprise (hc), edu         api_key    a key obtained by token exchange, against the API
    unknown or missing                     api_key    with a warning
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from providers_app.errors import InvalidRequest
from providers_app.types.advice import Advice
from providers_app.wire import payload

NAMESPACE = "https://api.openai.com/auth"
PROFILE = "https://api.openai.com/profile"
Mode = Literal["chatgpt", "api_key", "plan"]
"""``plan``: the ChatGPT plan through the public API, which Sign in with ChatGPT gives."""
Source = Literal["plan", "email", "unknown", "override", "flow"]

PERSONAL = frozenset({"free", "go", "plus", "pro", "team"})
WORK = frozenset({"business", "enterprise", "edu"})
ALIASES = {"hc": "enterprise", "education": "edu"}
CHOICES = ("chatgpt", "api_key")
STAFF_DOMAIN = "openai.com"
MAX_FACT = 200
MAX_ID = 99


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The person (``subject``) and the account or workspace whose plan is used; what the claims lack is empty."""

    subject: str = ""
    account_id: str = ""
    plan: str = ""
    email: str = ""
    organization_id: str = ""
    project_id: str = ""

    @property
    def identity(self) -> str:
        """The account as a session remembers it: the same person in another workspace is another account."""
        return f"{self.account_id}/{self.subject}" if self.account_id else self.subject

    def is_still(self, identity: str) -> bool:
        """Say whether this is the account that ``identity`` remembers; a missing part contradicts nothing."""
        if identity in ("", self.identity, self.subject, self.account_id) or not self.identity:
            return True
        account, slash, subject = identity.partition("/")
        if not slash:
            account, subject = "", identity
        same_person = not (subject and self.subject) or subject == self.subject
        return same_person and (not (account and self.account_id) or account == self.account_id)


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """The mode of an account, and the fact that decided it."""

    mode: Mode
    source: Source


def read(claims: Mapping[str, Any]) -> Account:
    """Read the account that an id token's claims describe; values of other types count as missing."""
    own = payload.mapping(claims.get(NAMESPACE))
    plan = _word(own.get("chatgpt_plan_type")).lower()
    return Account(
        subject=_word(claims.get("sub"))[:MAX_ID],
        account_id=_word(own.get("chatgpt_account_id"))[:MAX_ID],
        plan=ALIASES.get(plan, plan),
        email=_word(claims.get("email")) or _word(payload.mapping(claims.get(PROFILE)).get("email")),
        organization_id=_word(own.get("organization_id")),
        project_id=_word(own.get("project_id")),
    )


def detect(account: Account, override: str = "") -> Detected:
    """Decide the mode of an account; ``override`` wins. Raise ``InvalidRequest`` for one that there is not."""
    chosen = checked_mode(override)
    if chosen:
        return Detected(mode=chosen, source="override")
    if account.plan in PERSONAL:
        return Detected(mode="chatgpt", source="plan")
    if account.email.lower().rpartition("@")[2] == STAFF_DOMAIN and "@" in account.email:
        return Detected(mode="chatgpt", source="email")
    return Detected(mode="api_key", source="plan" if account.plan in WORK else "unknown")


def checked_mode(value: str) -> Literal["", "chatgpt", "api_key"]:
    """``value`` as a mode that can be chosen, in any case and with ``-`` for ``_``. Raises ``InvalidRequest``."""
    match value.strip().lower().replace("-", "_"):
        case "" | "auto":
            return ""
        case "chatgpt" | "api_key" as mode:
            return mode
    raise InvalidRequest("The mode must be chatgpt or api_key.", hint="Leave it empty to decide by the account's plan.")


def warnings(settings: Mapping[str, str]) -> list[Advice]:
    """Warn of a mode that was only assumed; ``settings`` are the facts of the session."""
    if settings.get("mode_source") != "unknown":
        return []
    plan = settings.get("plan", "")
    which = f"the plan {plan!r}, which is not known" if plan else "no plan"
    message = (
        f"The account has {which}, so it is asked in API-key mode: requests are billed to the organization at the API "
        "platform. To use a ChatGPT plan, sign in again with the mode chatgpt."
    )
    return [Advice(level="warning", field="mode", what=message, nearest="chatgpt")]


def facts(account: Account, detected: Detected, flow: str) -> dict[str, str]:
    """Return the facts that a session stores unencrypted, without empty values."""
    found = {"flow": flow, "mode": detected.mode, "mode_source": detected.source, "plan": account.plan}
    found |= {"account_id": account.account_id, "organization": account.organization_id, "project": account.project_id}
    return {name: value for name, value in found.items() if value}


def _word(value: Any) -> str:
    """Return a short printable text, fit for a header and a page; an empty one for anything else."""
    word = payload.text(value).strip()
    return word if len(word) <= MAX_FACT and word.isascii() and word.isprintable() else ""
